//go:build !linux

package pg

import (
	"context"
	"net"
	"time"
)

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: 15 * time.Second}
	return dialer.DialContext(ctx, network, address)
}
