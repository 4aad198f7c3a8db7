package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// PostgresOptions say where PostgreSQL and its data are. The zero value is what `shop` uses without configuration.
type PostgresOptions struct {
	Dir        string            // the cluster's own folder; empty: postgres in DataDir
	Bin        string            // the folder of PostgreSQL's programs; empty: $SHOP_PG_BIN, else the first that is found
	CacheDir   string            // where fetched programs are kept; empty: the user's cache folder
	Repository string            // the Maven repository to fetch from; empty: $SHOP_PG_REPOSITORY, else Maven Central
	Progress   func(string)      // is told what takes long: "fetching PostgreSQL 3.1/15 MB"
	Settings   map[string]string // of PostgreSQL, over the house's; tests turn fsync off
	Logger     *slog.Logger

	tcp    bool                        // listen on loopback with a password, as where there are no Unix sockets
	search func(cache string) []string // where programs may be; nil: candidates
}

// Postgres is a running server. It ends with this process, even if that is killed.
type Postgres struct {
	server  *server
	process *process
	release func() // of what else would end the server, and of the lock
	done    chan error

	stopping chan struct{}
	stop     sync.Once
	stopErr  error
}

// server is what a start works with.
type server struct {
	dir      string // real: without links in it, because a process's working directory is compared with it
	bin      binaries
	who      account
	tcp      bool
	socket   string // the folder of the Unix socket
	port     int
	settings map[string]string
	progress func(string)
	logger   *slog.Logger
}

// StartPostgres starts the server on a folder, after making the cluster if there is none, and waits until it answers.
//
// A server that an earlier shop left behind on the folder is stopped first. What it cannot do safely it refuses with one
// plain sentence: a folder that holds something else, a cluster of another major version, a folder that another shop uses.
func StartPostgres(ctx context.Context, o PostgresOptions) (_ *Postgres, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := makeFolder(filepath.Dir(o.Dir)); err != nil {
		return nil, fmt.Errorf("the folder %s cannot be made: %w", filepath.Dir(o.Dir), err)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(o.Dir))
	if err != nil {
		return nil, fmt.Errorf("the folder %s cannot be reached: %w", filepath.Dir(o.Dir), err)
	}
	o.Dir = filepath.Join(parent, filepath.Base(o.Dir))
	if real, err := filepath.EvalSymlinks(o.Dir); err == nil {
		o.Dir = real
	}

	unlock, holder, err := lockFile(o.Dir + ".lock")
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("another shop%s is using the database in %s: stop it first, or choose another folder with SHOP_DATA_DIR", holder, o.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("the folder %s cannot be used: %w", filepath.Dir(o.Dir), err)
	}
	defer func() {
		if err != nil {
			unlock()
		}
	}()

	major, err := inspectFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &server{dir: o.Dir, tcp: o.tcp || useTCP, settings: o.Settings, progress: o.Progress, logger: o.Logger}
	if s.who, err = accountFor(s.dir); err != nil {
		return nil, err
	}
	if err := s.who.reach(filepath.Dir(s.dir)); err != nil {
		return nil, err
	}
	if s.bin, err = findBinaries(ctx, o, s.who, major); err != nil {
		return nil, err
	}
	if major == 0 {
		s.progress("making the database")
		if err := s.initCluster(ctx); err != nil {
			return nil, err
		}
	} else if err := s.endPrevious(ctx); err != nil {
		return nil, err
	}
	return s.start(ctx, unlock)
}

func (o PostgresOptions) withDefaults() (PostgresOptions, error) {
	o.Dir = cmp.Or(o.Dir, filepath.Join(DataDir(), "postgres"))
	o.CacheDir = cmp.Or(o.CacheDir, cacheDir())
	o.Repository = cmp.Or(o.Repository, os.Getenv("SHOP_PG_REPOSITORY"), defaultRepository)
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, path := range []*string{&o.Dir, &o.CacheDir} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return o, fmt.Errorf("find the folder %s: %w", *path, err)
		}
		*path = absolute
	}
	settings := map[string]string{
		"shared_buffers":   "64MB",
		"max_connections":  "100",
		"max_wal_size":     "512MB",
		"timezone":         "UTC",
		"log_timezone":     "UTC",
		"lc_messages":      "C", // its messages are read here
		"jit":              "off",
		"cluster_name":     "sasapick",
		"fsync":            "on",
		"full_page_writes": "on",
		// What the shop answers with success is on disk (commit waits for it).
		"synchronous_commit": "on",
	}
	maps.Copy(settings, o.Settings)
	o.Settings = settings
	return o, nil
}

// URL is the superuser's address of the shop's database: on a Unix socket where the system has them, else on loopback with
// a password.
func (p *Postgres) URL() string { return p.server.url(databaseName) }

// Version is PostgreSQL's version, such as 15.18.
func (p *Postgres) Version() string { return p.server.bin.version }

// Bin is the folder of the programs that are used.
func (p *Postgres) Bin() string { return p.server.bin.dir }

// Done gives an error when the server ends without having been asked to, and is closed after Stop.
func (p *Postgres) Done() <-chan error { return p.done }

// Stop ends every session, lets the server write everything out, and waits for its end. When ctx ends first the server is
// told to quit at once: nothing that was committed is lost, but the next start has to recover. A second call gives the
// first one's result.
func (p *Postgres) Stop(ctx context.Context) error {
	p.stop.Do(func() {
		close(p.stopping)
		p.stopErr = p.server.end(ctx, p.process)
		<-p.process.exited
		p.release()
	})
	return p.stopErr
}

// end stops the process: fast, then at once, then by force.
func (s *server) end(ctx context.Context, p *process) error {
	if err := askToEnd(s.bin.dir, s.dir, p.cmd.Process, true); err != nil {
		s.logger.Warn("PostgreSQL could not be asked to stop", "error", err)
	}
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
	}
	if err := askToEnd(s.bin.dir, s.dir, p.cmd.Process, false); err != nil {
		s.logger.Warn("PostgreSQL could not be told to quit", "error", err)
	}
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	return fmt.Errorf("PostgreSQL did not stop in time and was made to: %w", ctx.Err())
}

// url is the address of a database for the superuser.
func (s *server) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database}
	query := url.Values{"sslmode": {"disable"}}
	if s.tcp {
		password, err := os.ReadFile(s.passwordPath())
		if err != nil {
			s.logger.Warn("the database's password cannot be read", "error", err)
		}
		u.User = url.UserPassword(superuser, strings.TrimSpace(string(password)))
		u.Host = fmt.Sprintf("127.0.0.1:%d", s.port)
	} else {
		query.Set("host", s.socket)
		query.Set("port", fmt.Sprint(s.port))
	}
	u.RawQuery = query.Encode()
	return u.String()
}
