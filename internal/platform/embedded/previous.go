package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sasapick/shop/internal/platform/clock"
)

// endPrevious deals with what an earlier shop left behind: a server that still runs is stopped, and a note of one that
// doesn't is taken away where it would keep the new server from starting.
func (s *server) endPrevious(ctx context.Context) error {
	note := filepath.Join(s.dir, "postmaster.pid")
	content, err := os.ReadFile(note)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read which server runs on %s: %w", s.dir, err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 {
		return nil // PostgreSQL knows what to make of it
	}
	if serves(pid, s.dir) {
		s.progress("stopping the database server that an earlier shop left behind")
		return s.endPostmaster(ctx, pid)
	}
	// The server is dead. PostgreSQL takes any process of that number for it, even another's and even a zombie, so the note
	// must go; but not before the dead server's own processes, from which it would otherwise have protected the data.
	if err := s.awaitServants(ctx); err != nil {
		return err
	}
	if err := os.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take away the note of a dead server: %w", err)
	}
	return nil
}

// endPostmaster stops a server that is not this process's child: fast, and after a while at once.
func (s *server) endPostmaster(ctx context.Context, pid int) error {
	server, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("find the database server %d: %w", pid, err)
	}
	defer server.Release()
	for _, step := range []struct {
		fast    bool
		patient time.Duration
	}{{true, 30 * time.Second}, {false, 15 * time.Second}} {
		if err := askToEnd(s.bin.dir, s.dir, server, step.fast); err != nil && serves(pid, s.dir) {
			return fmt.Errorf("the database server %d, which an earlier shop left behind on %s, cannot be stopped: %w", pid, s.dir, err)
		}
		for deadline := time.Now().Add(step.patient); time.Now().Before(deadline); {
			if !serves(pid, s.dir) {
				return s.awaitServants(ctx)
			}
			if err := clock.Sleep(ctx, 20*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("the database server %d, which an earlier shop left behind on %s, does not stop: end it, then start the shop again", pid, s.dir)
}

// awaitServants waits for the processes of a dead server. They end by themselves when they notice.
func (s *server) awaitServants(ctx context.Context) error {
	for deadline := time.Now().Add(retryTimeout); ; {
		pids := servants(s.dir)
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v of an earlier database server still use %s: end them, then start the shop again", pids, s.dir)
		}
		if err := clock.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
