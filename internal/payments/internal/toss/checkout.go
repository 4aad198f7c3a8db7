package toss

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sasapick/shop/internal/payments/internal/app"
)

// Checkout tells an emulator in another process what is to be paid. Toss itself is told by its own script in the shopper's browser.
type Checkout struct {
	url           string
	authorization string
	shop          string
	client        *http.Client
}

var _ app.Checkout = (*Checkout)(nil)

// NewCheckout returns a checkout at the emulator's address. shop is where it sends shoppers back to, and webhooks.
func NewCheckout(address, clientKey, shop string) *Checkout {
	client := newClient(nil)
	client.Timeout = time.Second // it is done while a shopper waits
	return &Checkout{url: strings.TrimRight(address, "/") + "/pay", authorization: basic(clientKey), shop: shop, client: client}
}

// Register makes an order payable at the emulator. A repeat changes nothing.
func (c *Checkout) Register(ctx context.Context, s app.Session) error {
	b, err := json.Marshal(map[string]any{
		"orderId": s.OrderNumber, "orderName": s.OrderName, "amount": s.AmountWon, "customerKey": s.CustomerKey,
		"successUrl": c.shop + "/paid", "failUrl": c.shop + "/unpaid", "webhookUrl": c.shop + "/webhooks/toss",
	})
	if err != nil {
		return fmt.Errorf("encode session: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Authorization", c.authorization)
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(r)
	if err != nil {
		return fmt.Errorf("register at the emulator: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // so that the connection can be used again
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("register at the emulator: status %d", resp.StatusCode)
	}
	return nil
}
