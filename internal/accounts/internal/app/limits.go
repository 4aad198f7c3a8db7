package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
)

// limits are the rates at which passwords may be tried. An address pays first, so that nobody can lock an account out
// from one address without being stopped there.
type limits struct {
	limit Limit
	c     Config
}

func (l limits) signIn(ctx context.Context, client netip.Addr, email string) error {
	if err := l.take(ctx, "sign-in:address:"+networkOf(client), l.c.SignInsPerMinutePerAddress); err != nil {
		return err
	}
	return l.take(ctx, "sign-in:account:"+digest(email), l.c.SignInsPerMinutePerAccount)
}

func (l limits) signUp(ctx context.Context, client netip.Addr, email string) error {
	if err := l.take(ctx, "sign-up:address:"+networkOf(client), l.c.SignUpsPerMinutePerAddress); err != nil {
		return err
	}
	return l.take(ctx, "sign-up:account:"+digest(email), l.c.SignUpsPerMinutePerAccount)
}

func (l limits) changePassword(ctx context.Context, account uuid.UUID) error {
	return l.take(ctx, "password:account:"+account.String(), l.c.SignInsPerMinutePerAccount)
}

func (l limits) take(ctx context.Context, key string, perMinute int) error {
	wait, err := l.limit.Take(ctx, key, Rate{Tries: perMinute, Per: time.Minute})
	if err != nil {
		return fmt.Errorf("count a try: %w", err)
	}
	if wait > 0 {
		return accounts.ErrTooManyTries.WithRetryAfter(wait)
	}
	return nil
}

// networkOf is what one household can have many of counted as one: an IPv6 address counts by its /64.
func networkOf(client netip.Addr) string {
	client = client.Unmap().WithZone("")
	if !client.Is6() {
		return client.String()
	}
	return netip.PrefixFrom(client, 64).Masked().String()
}

// digest keeps emails out of the place where tries are counted, and its keys short.
func digest(email string) string {
	if normal, ok := normalEmail(email); ok {
		email = normal
	}
	sum := sha256.Sum256([]byte(strings.ToLower(email)))
	return hex.EncodeToString(sum[:16])
}
