package emulator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// journalLimit is the size at which the journal is written anew with only what still holds.
const journalLimit = 64 << 20

// journal is an append-only file of records, one JSON object a line. Requests that come together share one fsync.
type journal struct {
	path string

	mu      sync.Mutex
	idle    *sync.Cond // when writing becomes false
	file    *os.File
	size    int64
	limit   int64
	pending bytes.Buffer
	waiters []chan error
	writing bool
	failed  error // once a write has failed nobody knows what is on disk: nothing more is answered
	closed  bool
}

var errJournalClosed = errors.New("the journal is closed")

// openJournal reads the file into s and writes it anew without what no longer holds. A last line that was cut off by a crash was
// never answered for, and is dropped.
func openJournal(path string, s *state, now time.Time) (*journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := readJournal(path, s); err != nil {
		return nil, err
	}
	j := &journal{path: path}
	j.idle = sync.NewCond(&j.mu)
	if err := j.rewrite(s.all(now)); err != nil {
		return nil, err
	}
	return j, nil
}

func readJournal(path string, s *state) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("line %d of %s: %w", n, path, err)
		}
		s.apply(r)
	}
}

// rewrite puts the records into a new file in the old one's place.
func (j *journal) rewrite(rs []record) error {
	tmp := j.path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	encoder := json.NewEncoder(w)
	for _, r := range rs {
		if err = encoder.Encode(r); err != nil {
			break
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, j.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(j.path))
	}
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr); err != nil {
		return errors.Join(err, f.Close())
	}
	if j.file != nil {
		_ = j.file.Close() // nothing of it is needed any more
	}
	j.file, j.size = f, info.Size()
	j.limit = max(journalLimit, 2*j.size)
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// append adds a record and returns a function that waits until it is on disk. s is the state with the record in it.
func (j *journal) append(r record, s *state) (wait func() error) {
	line, err := json.Marshal(r)
	if err != nil {
		panic("emulator: encode record: " + err.Error()) // our own structs
	}
	done := make(chan error, 1)
	wait = func() error { return <-done }

	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.failed != nil:
		done <- j.failed
		return wait
	case j.closed:
		done <- errJournalClosed
		return wait
	}
	j.pending.Write(line)
	j.pending.WriteByte('\n')
	j.waiters = append(j.waiters, done)
	if j.size+int64(j.pending.Len()) > j.limit {
		if !j.writing {
			j.writing = true
			go j.write()
		}
		for j.writing { // nothing new comes meanwhile: the caller holds the state
			j.idle.Wait()
		}
		if j.failed != nil || j.size <= j.limit {
			return wait
		}
		j.failed = j.rewrite(s.all(time.Now()))
		return wait
	}
	if !j.writing {
		j.writing = true
		go j.write()
	}
	return wait
}

// write brings what waits to disk until nothing does.
func (j *journal) write() {
	for {
		j.mu.Lock()
		if len(j.waiters) == 0 {
			j.writing = false
			j.idle.Broadcast()
			if j.closed {
				_ = j.file.Close() // everything in it is synced
			}
			j.mu.Unlock()
			return
		}
		chunk, waiters, f := bytes.Clone(j.pending.Bytes()), j.waiters, j.file
		j.pending.Reset()
		j.waiters = nil
		j.mu.Unlock()

		_, err := f.Write(chunk)
		if err == nil {
			err = f.Sync()
		}
		j.mu.Lock()
		j.size += int64(len(chunk))
		if err != nil && j.failed == nil {
			j.failed = fmt.Errorf("write the journal of the Toss emulator: %w", err)
		}
		j.release(waiters, j.failed)
		j.mu.Unlock()
	}
}

func (j *journal) release(waiters []chan error, err error) {
	for _, w := range waiters {
		w <- err
	}
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	if j.writing {
		return nil // the writer closes the file when all is on disk
	}
	return j.file.Close()
}
