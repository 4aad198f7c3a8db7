package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// child is a process that is measured.
type child struct {
	command *exec.Cmd
	input   io.Closer
	output  *bufio.Reader // after the first line
	address string        // where it answers
	private string        // of its profiles
}

// startChild runs this program again as something else. It says where it listens on its first line, and ends when its input does, so that
// it cannot outlive this process.
func startChild(ctx context.Context, arguments ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	c := &child{command: exec.CommandContext(ctx, self, arguments...)}
	c.command.Stderr = os.Stderr
	input, err := c.command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", arguments[0], err)
	}
	c.input = input
	output, err := c.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", arguments[0], err)
	}
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", arguments[0], err)
	}
	c.output = bufio.NewReader(output)
	line, err := c.output.ReadString('\n')
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("start %s: it ended", arguments[0])
	}
	c.address, c.private, _ = strings.Cut(strings.TrimSpace(line), " ")
	return c, nil
}

func (c *child) pid() int { return c.command.Process.Pid }

func (c *child) stop() {
	_ = c.input.Close()
	late := time.AfterFunc(patience, func() { _ = c.command.Process.Kill() })
	defer late.Stop()
	_ = c.command.Wait()
}

// asked is for how many details its store was asked so far.
func (c *child) asked() (int64, error) {
	resp, err := http.Get("http://" + c.private + "/metrics")
	if err != nil {
		return 0, fmt.Errorf("read the metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), `shop_batch_size_sum{group="catalog.details"} `); ok {
			n, err := strconv.ParseFloat(value, 64)
			return int64(n), err
		}
	}
	return 0, nil // it has no store
}

// profile writes a CPU profile of the next while into the folder; the returned function waits for it.
func (c *child) profile(folder, name string, d time.Duration) (wait func() error) {
	if folder == "" {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", c.private, max(1, int(d.Seconds()))))
			if err != nil {
				return fmt.Errorf("take a profile: %w", err)
			}
			defer func() { _ = resp.Body.Close() }()
			return keep(folder, name, resp.Body)
		}()
	}()
	return func() error { return <-done }
}

func keep(folder, name string, from io.Reader) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("keep a profile: %w", err)
	}
	f, err := os.Create(profilePath(folder, name))
	if err != nil {
		return fmt.Errorf("keep a profile: %w", err)
	}
	if _, err := io.Copy(f, from); err != nil {
		_ = f.Close()
		return fmt.Errorf("keep a profile: %w", err)
	}
	return f.Close()
}

func profilePath(folder, name string) string {
	return filepath.Join(folder, strings.NewReplacer(" ", "-", ",", "", "/", "-", "(", "", ")", "").Replace(name)+".pprof")
}
