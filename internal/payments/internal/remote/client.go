// Package remote is the module payments in another process: a client of its contract here, and its methods served there.
package remote

import (
	"context"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/rpc"
)

const module = "payments"

// Client asks the process that hosts payments. What goes wrong on the way is an [rpc.Outage], never one of the module's faults: whoever
// is told so asks again, and money moves once, since every call is idempotent by an id.
type Client struct {
	rpc *rpc.Client
}

var _ payments.Service = (*Client)(nil)

// NewClient returns the client of the module in another process.
func NewClient(c *rpc.Client) *Client { return &Client{rpc: c} }

// Open implements [payments.Service].
func (c *Client) Open(ctx context.Context, in payments.OpenInput) (payments.Payment, error) {
	return rpc.Call[payments.OpenInput, payments.Payment](ctx, c.rpc, module, "Open", in)
}

// Close implements [payments.Service].
func (c *Client) Close(ctx context.Context, in payments.CloseInput) (payments.Payment, error) {
	return rpc.Call[payments.CloseInput, payments.Payment](ctx, c.rpc, module, "Close", in)
}

// Confirm implements [payments.Service].
func (c *Client) Confirm(ctx context.Context, in payments.ConfirmInput) (payments.Payment, error) {
	return rpc.Call[payments.ConfirmInput, payments.Payment](ctx, c.rpc, module, "Confirm", in)
}

// Refund implements [payments.Service].
func (c *Client) Refund(ctx context.Context, in payments.RefundInput) (payments.Payment, error) {
	return rpc.Call[payments.RefundInput, payments.Payment](ctx, c.rpc, module, "Refund", in)
}

// Payment implements [payments.Service].
func (c *Client) Payment(ctx context.Context, in payments.PaymentInput) (payments.Payment, error) {
	return rpc.Call[payments.PaymentInput, payments.Payment](ctx, c.rpc, module, "Payment", in)
}

// Accounts implements [payments.Service].
func (c *Client) Accounts(ctx context.Context, in payments.AccountsInput) (payments.Accounts, error) {
	return rpc.Call[payments.AccountsInput, payments.Accounts](ctx, c.rpc, module, "Accounts", in)
}
