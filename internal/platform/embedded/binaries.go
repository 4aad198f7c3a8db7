package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oldestMajor is the first PostgreSQL that has all that the shop asks for.
const oldestMajor = 14

// binaries are one installation of PostgreSQL's server programs.
type binaries struct {
	dir     string // where postgres and initdb are
	version string // 15.18
	major   int
}

// findBinaries looks in the order: the one that was asked for, PATH, the system's, Homebrew's, what was fetched before; and
// fetches if there is none. A cluster that exists needs its own major version (zero: any).
func findBinaries(ctx context.Context, o PostgresOptions, who account, major int) (binaries, error) {
	if asked := o.Bin; asked != "" || os.Getenv("SHOP_PG_BIN") != "" {
		if asked == "" {
			asked = os.Getenv("SHOP_PG_BIN")
		}
		b, err := inspectBinaries(ctx, asked)
		if err != nil {
			return binaries{}, err
		}
		if err := who.reach(b.dir); err != nil {
			return binaries{}, err
		}
		if err := b.suits(o.Dir, major); err != nil {
			return binaries{}, err
		}
		return b, nil
	}

	var unsuited error
	search := o.search
	if search == nil {
		search = candidates
	}
	for _, dir := range search(o.CacheDir) {
		b, err := inspectBinaries(ctx, dir)
		if err != nil || who.reach(b.dir) != nil {
			continue
		}
		if err := b.suits(o.Dir, major); err != nil {
			unsuited = errors.Join(unsuited, err)
			continue
		}
		return b, nil
	}
	if major != 0 && unsuited != nil {
		return binaries{}, unsuited
	}
	return fetchBinaries(ctx, o, who, major)
}

func (b binaries) suits(dir string, major int) error {
	switch {
	case major != 0 && b.major != major:
		return fmt.Errorf("the database in %s was made by PostgreSQL %d, and %s has PostgreSQL %s: "+
			"set SHOP_PG_BIN to the programs of PostgreSQL %d, or carry the data over with pg_upgrade, or choose another folder with SHOP_DATA_DIR",
			dir, major, b.dir, b.version, major)
	case b.major < oldestMajor:
		return fmt.Errorf("%s has PostgreSQL %s, and the shop needs %d or newer", b.dir, b.version, oldestMajor)
	}
	return nil
}

// candidates are the folders that may hold PostgreSQL's programs, best first.
func candidates(cache string) []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",                          // Debian
		"/usr/pgsql-*/bin",                                   // Red Hat
		"/usr/libexec/postgresql*",                           // Alpine
		"/opt/homebrew/opt/postgresql@*/bin",                 // Homebrew on Apple's own processors
		"/usr/local/opt/postgresql@*/bin",                    // Homebrew on Intel's
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",    // Homebrew on Linux
		"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
		`C:\Program Files\PostgreSQL\*\bin`,
		filepath.Join(cache, "postgresql-*", "bin"),
	} {
		if found, err := filepath.Glob(pattern); err == nil {
			slices.SortFunc(found, func(a, b string) int { return slices.Compare(numbers(b), numbers(a)) }) // newest first
			dirs = append(dirs, found...)
		}
	}
	return dirs
}

// numbers are the numbers in a path, for sorting: 9.6 comes before 15.
func numbers(path string) (all []int) {
	for _, field := range strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' }) {
		n, _ := strconv.Atoi(field)
		all = append(all, n)
	}
	return all
}

// inspectBinaries asks the programs in a folder for their version.
func inspectBinaries(ctx context.Context, dir string) (binaries, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, name := range []string{"postgres", "initdb"} {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return binaries{}, fmt.Errorf("%s has no program %s, so it is no folder of PostgreSQL's server programs", dir, name)
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	cmd.Env = cleanEnvironment()
	out, err := cmd.Output() // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
	if err != nil {
		return binaries{}, fmt.Errorf("ask %s for its version: %w", filepath.Join(dir, "postgres"), err)
	}
	_, rest, _ := strings.Cut(string(out), ") ")
	version, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	found := numbers(version)
	if len(found) == 0 {
		return binaries{}, fmt.Errorf("%s says that its version is %q", filepath.Join(dir, "postgres"), strings.TrimSpace(string(out)))
	}
	return binaries{dir: dir, version: version, major: found[0]}, nil
}

// cleanEnvironment keeps the settings of somebody's psql (PGDATA, PGPORT, …) and language away from the programs.
func cleanEnvironment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	if runtime.GOOS == "darwin" {
		return append(env, "LC_ALL=en_US.UTF-8") // without a real locale, Apple's libraries start threads, which PostgreSQL refuses
	}
	return append(env, "LC_ALL=C")
}
