// Package remote is the module coupons in another process: a client of its contracts here, and their methods served there.
package remote

import (
	"context"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/rpc"
)

const module = "coupons"

// Client asks the process that hosts coupons. What goes wrong on the way is an [rpc.Outage], never one of the module's faults.
type Client struct {
	rpc *rpc.Client
}

var (
	_ coupons.Service   = (*Client)(nil)
	_ coupons.Discounts = (*Client)(nil)
)

// NewClient returns the client of the module in another process.
func NewClient(c *rpc.Client) *Client { return &Client{rpc: c} }

// Claim implements [coupons.Service].
func (c *Client) Claim(ctx context.Context, in coupons.ClaimInput) (coupons.Coupon, error) {
	return rpc.Call[coupons.ClaimInput, coupons.Coupon](ctx, c.rpc, module, "Claim", in)
}

// Counts implements [coupons.Service].
func (c *Client) Counts(ctx context.Context, in coupons.CountsInput) (coupons.Counts, error) {
	return rpc.Call[coupons.CountsInput, coupons.Counts](ctx, c.rpc, module, "Counts", in)
}

// Quote implements [coupons.Discounts].
func (c *Client) Quote(ctx context.Context, in coupons.QuoteInput) (coupons.Quotes, error) {
	return rpc.Call[coupons.QuoteInput, coupons.Quotes](ctx, c.rpc, module, "Quote", in)
}

// Redeem implements [coupons.Discounts].
func (c *Client) Redeem(ctx context.Context, in coupons.RedeemInput) (coupons.Redemption, error) {
	return rpc.Call[coupons.RedeemInput, coupons.Redemption](ctx, c.rpc, module, "Redeem", in)
}

// Redemptions implements [coupons.Discounts].
func (c *Client) Redemptions(ctx context.Context, in coupons.RedemptionsInput) (coupons.Redemptions, error) {
	return rpc.Call[coupons.RedemptionsInput, coupons.Redemptions](ctx, c.rpc, module, "Redemptions", in)
}

// OpenRedemptions implements [coupons.Discounts].
func (c *Client) OpenRedemptions(ctx context.Context, in coupons.OpenRedemptionsInput) (coupons.Redemptions, error) {
	return rpc.Call[coupons.OpenRedemptionsInput, coupons.Redemptions](ctx, c.rpc, module, "OpenRedemptions", in)
}
