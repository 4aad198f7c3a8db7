//go:build unix && !linux

package embedded

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes give the server a process group of its own, so that a Ctrl-C at the terminal reaches the shop alone,
// which then stops it last.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// serves says whether the process is a server of the cluster. It is not enough that the process exists: its number may be
// another's by now.
func serves(pid int, dir string) bool {
	command, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(command), "postgres") && strings.Contains(string(command), dir)
}

// servants are not known here; PostgreSQL's own check of shared memory must do.
func servants(string) []int { return nil }

// guard ends the server when the shop dies. The kernel has no such service here, so a shell waits for the pipe to close.
func guard(pid int) (release func(), err error) { return watch("kill -INT " + strconv.Itoa(pid)) }
