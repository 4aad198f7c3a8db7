package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sasapick/shop/internal/payments/internal/db"
)

// errTooSoon: what was read speaks against money that came about when it was read; which is the older, nobody can tell.
var errTooSoon = errors.New("the payment was read too soon")

// codeBalance: of a payment that we have, something else went back than what we asked for.
const codeBalance = "SHOP_OTHER_BALANCE"

// doubtAfter is how much later than the money a doubt of it must have been read. It covers clocks that differ.
const doubtAfter = 10 * time.Second

// dispute leaves to a person what cannot be. Money that we have stays ours until then, with the doubt beside it.
func (c change) dispute(ctx context.Context, answer Answer) error {
	if c.attempt.State == attemptCaptured && c.attempt.SettledAt != nil && answer.asked.Before(c.attempt.SettledAt.Add(doubtAfter)) {
		return errTooSoon
	}
	*c.disputed = answer.Code
	switch c.attempt.State {
	case attemptSent, stateAwaitingDeposit:
		return c.settled(ctx, attemptDisputed, answer.Code, "")
	case attemptCaptured:
		return c.doubt(ctx, answer.Code)
	}
	return nil
}

// doubt writes what the gateway says against money that we have, or, with no code, that it says nothing against it any more.
func (c change) doubt(ctx context.Context, code string) error {
	if c.attempt.Code == code {
		return nil
	}
	if _, err := c.sql.DoubtAttempt(ctx, c.tx, db.DoubtAttemptParams{ID: c.attempt.ID, Code: code}); err != nil {
		return fmt.Errorf("write a doubt: %w", err)
	}
	return nil
}
