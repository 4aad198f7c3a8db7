//go:build unix

package pgtest

import (
	"os/exec"
	"syscall"
)

// removeAtExit removes a folder after this process has ended, in whatever way, and the server in the folder with it: a shell
// waits for its input to close, and for the server to take its note away. It removes nothing once released.
func removeAtExit(folder string) (release func(), err error) {
	cmd := exec.Command("/bin/sh", "-c", `read -r word
[ "$word" = released ] && exit
n=0
while [ -e "$1/data/postmaster.pid" ] && [ $n -lt 300 ]; do n=$((n+1)); sleep 0.1; done
rm -rf -- "$1"`, "sh", folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Dir = "/"
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
