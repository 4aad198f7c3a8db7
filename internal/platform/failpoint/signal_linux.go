//go:build failpoints

package failpoint

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

func killed() {
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	select {} // nothing more happens here, however long the signal takes
}

// stopped halts every thread; the process goes on from here when it is told to. The signal is for this thread: one for the process
// may be taken by another, and this one would run on a little.
func stopped() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
}
