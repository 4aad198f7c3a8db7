package embedded

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/windows"
)

// useTCP says whether the server must listen on loopback because the system has no usable Unix sockets.
const useTCP = true

func isRoot() bool { return false }

// lock fails with errLocked if another process has the file. The locked byte lies far behind the content, which others
// must be able to read.
func lock(file *os.File) error {
	place := &windows.Overlapped{OffsetHigh: 1}
	err := windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, place)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}

// release gives up a lock, which closing the file does here.
func release(*os.File) {}

// account is the user as whom PostgreSQL runs: here always the shop's own.
type account struct{ name string }

func accountFor(string) (account, error) { return account{}, nil }

func (a account) apply(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}
func (a account) give(string) error  { return nil }
func (a account) owns(string) bool   { return true }
func (a account) reach(string) error { return nil }

// askToEnd asks a server to end through pg_ctl, which speaks PostgreSQL's own substitute for signals.
func askToEnd(bin, dir string, _ *os.Process, fast bool) error {
	mode := "immediate"
	if fast {
		mode = "fast"
	}
	return exec.Command(filepath.Join(bin, "pg_ctl"), "stop", "-D", dir, "-m", mode, "-W").Run()
}

// serves trusts the number: pg_ctl reaches nothing but a PostgreSQL by it.
func serves(pid int, _ string) bool {
	handle, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return false
	}
	defer windows.CloseHandle(handle)
	state, err := windows.WaitForSingleObject(handle, 0)
	return err == nil && state == uint32(windows.WAIT_TIMEOUT)
}

func servants(string) []int { return nil }

// guard has nothing to do: the next start ends a server that was left behind.
func guard(int) (release func(), err error) { return func() {}, nil }
