package pgtest

import (
	"os"

	"golang.org/x/sys/unix"
)

// memory is a file system in memory, on which a database is copied many times faster than on a disk.
const memory = "/dev/shm"

// enough leaves room for the server (70 MB) and for a hundred databases (11 MB each) of several test processes.
const enough = 4 << 30

// parentFolder is where the server's folder is made; "" means the usual temporary folder, which TMPDIR can ask for.
func parentFolder() string {
	var space unix.Statfs_t
	if os.Getenv("TMPDIR") != "" || unix.Statfs(memory, &space) != nil || space.Bavail*uint64(space.Bsize) < enough {
		return ""
	}
	return memory
}
