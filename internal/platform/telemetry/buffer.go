package telemetry

import (
	"io"
	"sync"
	"time"
)

const (
	bufferSize = 32 << 10              // bytes that may wait
	bufferTime = 50 * time.Millisecond // that they may wait
)

// Buffer gathers lines, so that a crowd's requests do not each wait for the log: one that is only information is written 50 ms later at
// most, with all that came meanwhile. What warns is written at once, after what came before it.
type Buffer struct {
	mu      sync.Mutex
	to      io.Writer
	waiting []byte
	flusher *time.Timer // runs while something waits
	closed  bool
}

// NewBuffer returns a buffer before to. Close ends it.
func NewBuffer(to io.Writer) *Buffer {
	b := &Buffer{to: to, waiting: make([]byte, 0, bufferSize)}
	b.flusher = time.AfterFunc(bufferTime, func() { _ = b.Flush() })
	return b
}

// Write implements [io.Writer]. Its error is that of lines that have waited, which may be others' than the caller's.
func (b *Buffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting)+len(line) > bufferSize || b.closed {
		if err := b.flush(); err != nil {
			return 0, err
		}
	}
	if len(line) > bufferSize || b.closed {
		return b.to.Write(line)
	}
	if len(b.waiting) == 0 {
		b.flusher.Reset(bufferTime)
	}
	b.waiting = append(b.waiting, line...)
	return len(line), nil
}

// Flush writes what waits.
func (b *Buffer) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flush()
}

func (b *Buffer) flush() error {
	if len(b.waiting) == 0 {
		return nil
	}
	_, err := b.to.Write(b.waiting)
	b.waiting = b.waiting[:0]
	return err
}

// Close writes what waits. What comes later is written at once.
func (b *Buffer) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.flusher.Stop()
	return b.flush()
}
