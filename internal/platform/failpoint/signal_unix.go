//go:build failpoints && unix && !linux

package failpoint

import (
	"os"
	"syscall"
)

func killed() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // nothing more happens here, however long the signal takes
}

// stopped halts every thread; the process goes on from here when it is told to.
func stopped() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
