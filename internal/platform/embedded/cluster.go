package embedded

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

const (
	superuser    = "shop"
	databaseName = "shop"
)

// inspectFolder says which major version of PostgreSQL made the cluster in a folder, or zero if a cluster may be made there.
// A folder with anything else in it is refused.
func inspectFolder(dir string) (major int, err error) {
	content, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err == nil {
		major, err := strconv.Atoi(string(bytes.TrimSpace(content)))
		if err != nil {
			return 0, fmt.Errorf("the database in %s was made by PostgreSQL %s, which is too old for the shop", dir, bytes.TrimSpace(content))
		}
		return major, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("the folder %s cannot be read: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("the folder %s cannot be read: %w", dir, err)
	case len(entries) > 0:
		return 0, fmt.Errorf("the folder %s is not empty and holds no database (there is %s): empty it yourself, or choose another folder with SHOP_DATA_DIR", dir, entries[0].Name())
	}
	return 0, nil
}

// initCluster makes a cluster beside the folder and moves it there when it is whole, so that a start which is interrupted
// leaves nothing that looks like a database.
func (s *server) initCluster(ctx context.Context) error {
	fresh := s.dir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear away an unfinished database: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make the database's folder: %w", err)
	}
	if err := s.who.give(fresh); err != nil {
		return fmt.Errorf("give the database's folder to user %s: %w", s.who.name, err)
	}

	var out []byte
	var err error
	for _, ctype := range ctypes() {
		if out, err = s.initdb(ctx, fresh, ctype); err == nil || !bytes.Contains(out, []byte("locale")) {
			break
		}
	}
	if err != nil {
		os.RemoveAll(fresh)
		return fmt.Errorf("make a database with %s: %w: %s", filepath.Join(s.bin.dir, "initdb"), err, lastLines(out))
	}
	if !s.tcp {
		// initdb would also trust whoever comes over loopback, should somebody set listen_addresses.
		if err := os.WriteFile(filepath.Join(fresh, "pg_hba.conf"), []byte("local all all trust\n"), 0o600); err != nil {
			return fmt.Errorf("write the new database's access rules: %w", err)
		}
	}
	if err := os.Remove(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // it is empty: Remove would fail otherwise
		return fmt.Errorf("put the new database in its place: %w", err)
	}
	if err := os.Rename(fresh, s.dir); err != nil {
		return fmt.Errorf("put the new database in its place: %w", err)
	}
	return nil
}

func (s *server) initdb(ctx context.Context, dir, ctype string) ([]byte, error) {
	args := []string{
		"-D", dir, "-U", superuser, "--encoding=UTF8", "--locale=C", "--lc-ctype=" + ctype, "--lc-messages=C",
		"--data-checksums", "--no-instructions",
	}
	if s.settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	if s.tcp {
		// Made here and read again at each start; as secret as the folder.
		password := s.passwordPath()
		if err := os.WriteFile(password, []byte(rand.Text()), 0o600); err != nil {
			return nil, err
		}
		if err := s.who.give(password); err != nil {
			return nil, err
		}
		args = append(args, "--auth=scram-sha-256", "--pwfile="+password)
	} else {
		// Whoever reaches the socket is trusted, and only the server's own user and root reach it. (peer would refuse root,
		// who connects to a server that runs as another user.)
		args = append(args, "--auth=trust")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin.dir, "initdb"), args...)
	cmd.Dir, cmd.Env = string(filepath.Separator), cleanEnvironment()
	s.who.apply(cmd)
	var out []byte
	err := onOwnThread(func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	})
	return out, err
}

// passwordPath is where the password is kept that a server on loopback asks for. It lies beside the cluster because initdb
// wants it before there is a cluster.
func (s *server) passwordPath() string { return s.dir + ".password" }

// ctypes are the names under which systems know a Unicode locale, best first. With C's alone, Korean letters would be no
// letters to PostgreSQL's text functions.
func ctypes() []string {
	if runtime.GOOS == "windows" {
		return []string{"C"}
	}
	return []string{"C.UTF-8", "en_US.UTF-8", "C"}
}

// lastLines is the end of a program's output, on one line, for an error.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}
