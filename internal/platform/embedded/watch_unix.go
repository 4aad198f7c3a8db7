//go:build unix

package embedded

import (
	"os/exec"
	"syscall"
)

// watch runs a shell command when this process ends, in whatever way, unless it is released before.
func watch(command string) (release func(), err error) {
	cmd := exec.Command("/bin/sh", "-c", "read -r word; [ \"$word\" = released ] || { "+command+"; }")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_, _ = stdin.Write([]byte("released\n"))
		stdin.Close()
		_ = cmd.Wait()
	}, nil
}
