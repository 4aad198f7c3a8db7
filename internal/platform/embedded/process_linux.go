package embedded

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// processAttributes end the server (by a fast shutdown) when the thread that started it ends, which spawn keeps for as
// long as the process lives. The server has a process group of its own, so that a Ctrl-C at the terminal reaches the shop
// alone, which then stops it last.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
}

// serves says whether the process works in the cluster's folder, as a server does. It is not enough that the process
// exists: its number may be another's by now, or it may be a zombie that nobody has buried.
func serves(pid int, dir string) bool {
	cwd, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd")
	return err == nil && cwd == dir
}

// servants are the processes of a cluster's server, which may outlive it for a moment.
func servants(dir string) (pids []int) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(filepath.Base(entry)); err == nil && pid != os.Getpid() && serves(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// guard has nothing to do where the kernel ends the server with the shop.
func guard(int) (release func(), err error) { return func() {}, nil }
