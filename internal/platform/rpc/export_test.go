package rpc

import (
	"context"
	"net"
)

// Dial has the client connect by another way.
func (c *Client) Dial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.transport.DialContext = dial
}
