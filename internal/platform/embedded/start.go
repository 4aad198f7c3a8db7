package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sasapick/shop/internal/platform/clock"
)

const (
	socketPort   = 5432 // the number in a Unix socket's name
	logName      = "postgres.log"
	maxLog       = 10 << 20
	readyTimeout = 5 * time.Minute  // recovery after a crash reads what was written since the last checkpoint
	retryTimeout = 15 * time.Second // for what a dead server's processes still hold
)

// process is a running program that somebody waits for.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it ended
	err    error         // how, once exited is closed
}

// spawn starts a command and waits for it on one and the same thread, because on Linux the server ends with the thread that
// started it.
func spawn(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with this goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// onOwnThread runs work on a thread that lives until it is done.
func onOwnThread(work func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- work()
	}()
	return <-done
}

// start brings the server up. A server that died a moment ago may have left processes that hold its shared memory or its
// socket; they notice soon, so such a start is tried again for a while.
func (s *server) start(ctx context.Context, unlock func()) (*Postgres, error) {
	releaseSocket, err := s.placeSocket()
	if err != nil {
		return nil, err
	}
	s.progress("starting PostgreSQL " + s.bin.version)
	deadline := time.Now().Add(retryTimeout)
	for {
		p, said, err := s.try(ctx)
		if err == nil {
			releaseGuard, err := guard(p.cmd.Process.Pid)
			if err != nil {
				s.logger.Warn("PostgreSQL will not end by itself if the shop is killed", "error", err)
				releaseGuard = func() {}
			}
			running := &Postgres{
				server: s, process: p, done: make(chan error, 1), stopping: make(chan struct{}),
				release: func() { releaseGuard(); releaseSocket(); unlock() },
			}
			go running.watch()
			return running, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) || !transient(said) {
			releaseSocket()
			return nil, err
		}
		if err := clock.Sleep(ctx, 100*time.Millisecond); err != nil {
			releaseSocket()
			return nil, err
		}
	}
}

// watch tells when the server ends unasked.
func (p *Postgres) watch() {
	<-p.process.exited
	select {
	case <-p.stopping:
	default:
		p.done <- fmt.Errorf("PostgreSQL ended by itself (%v); see %s", p.process.err, filepath.Join(p.server.dir, logName))
	}
	close(p.done)
}

func transient(said string) bool {
	return strings.Contains(said, "pre-existing shared memory block") || strings.Contains(said, `"postmaster.pid" already exists`) ||
		strings.Contains(said, "could not bind") || strings.Contains(said, ".lock\" already exists")
}

// try starts the server once. Said is what it wrote to its log if it did not come up.
func (s *server) try(ctx context.Context) (_ *process, said string, err error) {
	log, err := s.openLog()
	if err != nil {
		return nil, "", fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	defer log.Close()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, "", fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	if s.tcp {
		if s.port, err = freePort(); err != nil {
			return nil, "", err
		}
	}

	cmd := exec.Command(filepath.Join(s.bin.dir, "postgres"), s.arguments()...)
	cmd.Dir, cmd.Env, cmd.Stderr = string(filepath.Separator), cleanEnvironment(), log
	s.who.apply(cmd)
	p, err := spawn(cmd)
	if err != nil {
		return nil, "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	err = s.awaitReady(ctx, p)
	if err == nil {
		return p, "", nil
	}
	select {
	case <-p.exited:
	default:
		giveUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = s.end(giveUp, p)
	}
	text, _ := io.ReadAll(io.NewSectionReader(log, before, 1<<20))
	if errors.Is(err, errExited) {
		err = fmt.Errorf("PostgreSQL %s did not start on %s: %s", s.bin.version, s.dir, lastLines(text))
	}
	return nil, string(text), err
}

func (s *server) arguments() []string {
	settings := maps.Clone(s.settings)
	settings["logging_collector"] = "off"
	settings["log_destination"] = "stderr"
	settings["port"] = fmt.Sprint(s.port)
	if s.tcp {
		settings["listen_addresses"] = "127.0.0.1"
		settings["unix_socket_directories"] = ""
	} else {
		if settings["listen_addresses"] == "" {
			settings["listen_addresses"] = ""
		}
		settings["unix_socket_directories"] = `"` + strings.ReplaceAll(s.socket, `"`, `""`) + `"`
		settings["unix_socket_permissions"] = "0700" // root passes even so
	}
	args := []string{"-D", s.dir}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

var errExited = errors.New("PostgreSQL ended")

// awaitReady waits until the server answers in the shop's database, which it makes if need be.
func (s *server) awaitReady(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tell := time.Now().Add(time.Second) // every start takes a moment
	for told := false; ; {
		err := s.greet(ctx)
		if err == nil {
			return nil
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			switch {
			case refused.Code == "3D000": // no such database
				if err := s.createDatabase(ctx); err != nil {
					return err
				}
				continue
			case refused.Code != "57P03": // not "starting up"
				return fmt.Errorf("enter the database in %s: %w", s.dir, err)
			case !told && time.Now().After(tell):
				s.progress("PostgreSQL is recovering from its last end")
				told = true
			}
		}
		select {
		case <-p.exited:
			return errExited
		case <-ctx.Done():
			return fmt.Errorf("wait for PostgreSQL to answer: %w", errors.Join(ctx.Err(), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *server) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url(databaseName))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (s *server) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return fmt.Errorf("enter the new database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+databaseName); err != nil {
		return fmt.Errorf("make the shop's database: %w", err)
	}
	return nil
}

// openLog opens the server's log, which is put aside once when it has grown large.
func (s *server) openLog() (*os.File, error) {
	path := filepath.Join(s.dir, logName)
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := s.who.give(path); err != nil {
		log.Close()
		return nil, err
	}
	return log, nil
}

// freePort asks the system for a port of loopback that nobody uses now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
