package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// used is CPU time.
type used struct{ process, postgres time.Duration }

// tick is the unit of /proc/<pid>/stat on every Linux that there is.
const tick = 10 * time.Millisecond

// cpuOf says how much CPU some processes have used, and a PostgreSQL with all its sessions; zeros where there is no /proc. A session that has
// ended is among its parent's children.
func cpuOf(pids []int, postmaster int) used {
	var u used
	for _, pid := range pids {
		own, _ := stat(pid)
		u.process += own.used
	}
	if postmaster == 0 {
		return u
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		other, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if s, ok := stat(other); ok && (other == postmaster || s.parent == postmaster) {
			u.postgres += s.used + s.children
		}
	}
	return u
}

type process struct {
	parent         int
	name           string
	used, children time.Duration
}

func stat(pid int) (process, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	open, closed := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || closed < open {
		return process{}, false
	}
	fields := strings.Fields(string(b[closed+1:]))
	if len(fields) < 15 {
		return process{}, false
	}
	ticks := func(i int) time.Duration {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return time.Duration(n) * tick
	}
	parent, _ := strconv.Atoi(fields[1])
	return process{parent, string(b[open+1 : closed]), ticks(11) + ticks(12), ticks(13) + ticks(14)}, true
}

// peakOf is how many bytes of memory a process has had at most; 0 where there is no /proc.
func peakOf(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(b)) {
		if size, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(size), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// machine is where the figures come from.
type machine struct {
	at                   time.Time
	cores                int
	load, system, cpu    string
	golang, postgres     string
	commit               string
	settings             string
	fsync                string
	sync, commitOfOneRow time.Duration
}

func (m machine) String() string {
	return fmt.Sprintf("%s · %d cores (%s) · load %s · %s · %s · PostgreSQL %s (%s) · %s · commit of one row %d µs",
		m.at.Format("2006-01-02 15:04 MST"), m.cores, m.cpu, m.load, m.system, m.golang, m.postgres, m.settings, m.fsync, m.commitOfOneRow.Microseconds())
}

func (w *world) machine(ctx context.Context) machine {
	m := machine{at: time.Now().UTC(), cores: runtime.NumCPU(), load: "?", cpu: "?", system: runtime.GOOS, golang: runtime.Version()}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load = strings.Join(strings.Fields(string(b))[:3], " ")
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				m.cpu = strings.TrimSpace(strings.TrimLeft(name, "\t: "))
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.system += " " + strings.TrimSpace(string(b))
	}
	m.commit = "unknown"
	if b, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output(); err == nil {
		m.commit = strings.TrimSpace(string(b))
	}
	row := w.admin.QueryRow(ctx, `SELECT current_setting('server_version'), concat_ws(', ', 'fsync ' || current_setting('fsync'),
		'synchronous_commit ' || current_setting('synchronous_commit'), 'shared_buffers ' || current_setting('shared_buffers'),
		'max_connections ' || current_setting('max_connections'), current_setting('wal_sync_method'))`)
	_ = row.Scan(&m.postgres, &m.settings)
	m.postgres, _, _ = strings.Cut(m.postgres, " ")
	m.fsync = "fsync not measured: the data folder is elsewhere"
	if d, ok := w.syncTime(ctx); ok {
		m.sync = d
		m.fsync = fmt.Sprintf("write and fsync in its folder %d µs", d.Microseconds())
	}
	m.commitOfOneRow = w.commitTime(ctx)
	return m
}

const syncs = 200

// syncTime is the median time of a page's write and sync where PostgreSQL has its data, if that is a folder that can be reached.
func (w *world) syncTime(ctx context.Context) (time.Duration, bool) {
	folder, _ := w.dataFolder(ctx)
	if folder == "" {
		return 0, false
	}
	f, err := os.CreateTemp(filepath.Join(folder, "base"), "bench-sync-")
	if err != nil {
		return 0, false
	}
	defer func() { _, _ = f.Close(), os.Remove(f.Name()) }()
	page := make([]byte, 8192)
	times := make([]time.Duration, syncs)
	for i := range times {
		start := time.Now()
		if _, err := f.WriteAt(page, int64(i%16)*int64(len(page))); err != nil {
			return 0, false
		}
		if err := f.Sync(); err != nil {
			return 0, false
		}
		times[i] = time.Since(start)
	}
	return median(times), true
}

// dataFolder is where PostgreSQL has its data, and its first process, as it says itself to those who may ask, else as its processes here show; "" and 0 where
// it is on another machine.
func (w *world) dataFolder(ctx context.Context) (folder string, postmaster int) {
	var folders []string
	var said string
	if w.admin.QueryRow(ctx, `SELECT current_setting('data_directory')`).Scan(&said) == nil {
		folders = append(folders, said)
	}
	working, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range working {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if s, ok := stat(pid); ok && (s.name == "postgres" || s.name == "postmaster") {
			if folder, err := os.Readlink(link); err == nil {
				folders = append(folders, folder)
			}
		}
	}
	for _, folder = range folders {
		b, err := os.ReadFile(filepath.Join(folder, "postmaster.pid"))
		lines := strings.Split(string(b), "\n") // pid, folder, start, port, socket's folder, address
		if err != nil || len(lines) < 6 || strings.TrimSpace(lines[3]) != strconv.Itoa(int(w.admin.Config().Port)) {
			continue
		}
		socket := strings.HasPrefix(w.admin.Config().Host, "/")
		if socket && strings.TrimSpace(lines[4]) == w.admin.Config().Host || !socket && strings.TrimSpace(lines[5]) != "" {
			postmaster, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
			return folder, postmaster
		}
	}
	return "", 0
}

// commitTime is the median time of a transaction that writes one row.
func (w *world) commitTime(ctx context.Context) time.Duration {
	conn, err := pgx.Connect(ctx, w.url)
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS public.bench_commit (n bigint)`); err != nil {
		return 0
	}
	times := make([]time.Duration, syncs)
	for i := range times {
		start := time.Now()
		if _, err := conn.Exec(ctx, `INSERT INTO public.bench_commit VALUES ($1)`, i); err != nil {
			return 0
		}
		times[i] = time.Since(start)
	}
	return median(times)
}
