//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// useTCP says whether the server must listen on loopback because the system has no usable Unix sockets.
const useTCP = false

func isRoot() bool { return os.Geteuid() == 0 }

// lock fails with errLocked if another process has the file.
func lock(file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// release gives up a lock. Closing the file is not enough: a program that this process is starting at that moment has a
// copy of it, until it runs, and the lock lasts as long as any copy.
func release(file *os.File) { _ = unix.Flock(int(file.Fd()), unix.LOCK_UN) }

// account is the user as whom PostgreSQL runs, which is the shop's own unless that is root: PostgreSQL refuses root.
type account struct {
	name     string
	uid, gid uint32
	drop     bool // the shop is root and must become this user for PostgreSQL
}

// accountFor chooses the user for a data folder. A folder that exists stays with its owner.
func accountFor(dir string) (account, error) {
	own := account{name: strconv.Itoa(os.Geteuid()), uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	if u, err := user.Current(); err == nil {
		own.name = u.Username
	}
	if info, err := os.Stat(dir); err == nil {
		stat := info.Sys().(*syscall.Stat_t)
		owner := account{name: strconv.Itoa(int(stat.Uid)), uid: stat.Uid, gid: stat.Gid, drop: true}
		if u, err := user.LookupId(owner.name); err == nil {
			owner.name = u.Username
		}
		switch {
		case !isRoot() && owner.uid != own.uid:
			return account{}, fmt.Errorf("the database's folder %s belongs to user %s, and the shop runs as %s: run it as that user, or choose another folder with SHOP_DATA_DIR", dir, owner.name, own.name)
		case !isRoot():
			return own, nil
		case owner.uid != 0:
			return owner, nil
		}
		// Root's own folder: an empty one is given away below, and a cluster in it can't have been served.
	}
	if !isRoot() {
		return own, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return account{name: name, uid: uint32(uid), gid: uint32(gid), drop: true}, nil
		}
	}
	return account{}, errors.New("PostgreSQL does not run as root, and this system has neither a user postgres nor a user nobody: run the shop as another user")
}

// apply makes a command run as the account.
func (a account) apply(cmd *exec.Cmd) {
	cmd.SysProcAttr = processAttributes()
	if a.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

// give hands a file or folder over to the account.
func (a account) give(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// owns says whether the account owns what the path itself names, links not followed, and nobody else may enter it.
func (a account) owns(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	return info.Sys().(*syscall.Stat_t).Uid == a.uid
}

// reach says in a plain sentence why the account cannot enter a folder, if so. Only root's shop can meet this: otherwise
// both are the same user, and the system's own error is as good.
func (a account) reach(dir string) error {
	if !a.drop {
		return nil
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for folder := real; ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil {
			return err
		}
		if !a.mayEnter(info) {
			return fmt.Errorf("PostgreSQL runs as user %s, who cannot enter %s: open it to that user (chmod o+x), or choose another folder than %s", a.name, folder, dir)
		}
		if folder == filepath.Dir(folder) {
			return nil
		}
	}
}

func (a account) mayEnter(info fs.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode().Perm(); {
	case stat.Uid == a.uid:
		return mode&0o100 != 0
	case stat.Gid == a.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// askToEnd asks a server to end: fast ends sessions and writes everything out, otherwise that is left to the next start's
// recovery.
func askToEnd(_, _ string, server *os.Process, fast bool) error {
	signal := syscall.SIGQUIT
	if fast {
		signal = syscall.SIGINT
	}
	err := server.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
