package pg

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dial gives a connection up when the other side has not acknowledged what was sent for five seconds: a database whose
// machine vanished answers nothing, and the kernel would go on trying for a quarter of an hour.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: 15 * time.Second}
	if network != "unix" {
		dialer.Control = func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(fd uintptr) {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 5_000)
			})
			if err != nil {
				return err
			}
			return failed
		}
	}
	return dialer.DialContext(ctx, network, address)
}
