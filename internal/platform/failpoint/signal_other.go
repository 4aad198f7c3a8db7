//go:build failpoints && !unix

package failpoint

import "os"

func killed() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
}

func stopped() { panic("failpoint: a process cannot be stopped here") }
