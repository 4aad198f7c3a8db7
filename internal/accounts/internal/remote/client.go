// Package remote is the module accounts in another process: a client of its contracts here, and their methods served there; with the
// keys and the revocations that every process checks tokens by.
package remote

import (
	"context"
	"fmt"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/rpc"
)

const module = "accounts"

// Client asks the process that hosts accounts. What goes wrong on the way is an [rpc.Outage], never one of the module's faults.
type Client struct {
	rpc *rpc.Client
}

var (
	_ accounts.Service = (*Client)(nil)
	_ accounts.Points  = (*Client)(nil)
	_ auth.Source      = (*Client)(nil)
)

// NewClient returns the client of the module in another process.
func NewClient(c *rpc.Client) *Client { return &Client{rpc: c} }

// Account implements [accounts.Service].
func (c *Client) Account(ctx context.Context, in accounts.AccountInput) (accounts.Account, error) {
	return rpc.Call[accounts.AccountInput, accounts.Account](ctx, c.rpc, module, "Account", in)
}

// Address implements [accounts.Service].
func (c *Client) Address(ctx context.Context, in accounts.AddressInput) (accounts.Address, error) {
	return rpc.Call[accounts.AddressInput, accounts.Address](ctx, c.rpc, module, "Address", in)
}

// Hold implements [accounts.Points].
func (c *Client) Hold(ctx context.Context, in accounts.HoldInput) (accounts.PointHold, error) {
	return rpc.Call[accounts.HoldInput, accounts.PointHold](ctx, c.rpc, module, "Hold", in)
}

// TakeBack implements [accounts.Points].
func (c *Client) TakeBack(ctx context.Context, in accounts.TakeBackInput) (accounts.TakenBack, error) {
	return rpc.Call[accounts.TakeBackInput, accounts.TakenBack](ctx, c.rpc, module, "TakeBack", in)
}

// Holds implements [accounts.Points].
func (c *Client) Holds(ctx context.Context, in accounts.HoldsInput) (accounts.PointHolds, error) {
	return rpc.Call[accounts.HoldsInput, accounts.PointHolds](ctx, c.rpc, module, "Holds", in)
}

// OpenHolds implements [accounts.Points].
func (c *Client) OpenHolds(ctx context.Context, in accounts.OpenHoldsInput) (accounts.PointHolds, error) {
	return rpc.Call[accounts.OpenHoldsInput, accounts.PointHolds](ctx, c.rpc, module, "OpenHolds", in)
}

// SigningKeys implements [auth.Source]. Only the public halves travel.
func (c *Client) SigningKeys(ctx context.Context) ([]auth.Key, error) {
	set, err := rpc.Call[signingKeysInput, signingKeys](ctx, c.rpc, module, "SigningKeys", signingKeysInput{})
	if err != nil {
		return nil, err
	}
	keys, err := auth.ParseJWKS(set.JWKS)
	if err != nil {
		return nil, fmt.Errorf("read the keys of accounts: %w", err)
	}
	return keys, nil
}

// Revocations implements [auth.Source].
func (c *Client) Revocations(ctx context.Context) ([]auth.Revocation, error) {
	list, err := rpc.Call[revocationsInput, revocations](ctx, c.rpc, module, "Revocations", revocationsInput{})
	if err != nil {
		return nil, err
	}
	revoked := make([]auth.Revocation, len(list.Items))
	for i, r := range list.Items {
		revoked[i] = auth.Revocation(r)
	}
	return revoked, nil
}
