package app

import (
	"math/rand/v2"
	"time"

	"github.com/sasapick/shop/internal/payments"
)

// stateAwaitingDeposit is a payment's and an attempt's state that others do not see.
const stateAwaitingDeposit = "awaiting_deposit"

// stateOf is a payment's state as others see it. An order whose deposit is awaited must not be ended, so to them it is being confirmed.
func stateOf(state string) payments.State {
	if state == stateAwaitingDeposit {
		return payments.StateConfirming
	}
	return payments.State(state)
}

// States of an attempt.
const (
	attemptSent     = "sent"     // the gateway was asked, or is about to be
	attemptCaptured = "captured" // its money came
	attemptDeclined = "declined" // no money came, and none can
	attemptDisputed = "disputed" // what the gateway says cannot be; a person decides
)

// Kinds of refund.
const (
	refundOrder   = "order"   // of an order: all that is left
	refundPart    = "part"    // of an order: so much
	refundStray   = "stray"   // of money that came for an order which had ended, or was paid already
	refundDeposit = "deposit" // no money: an account to pay into is withdrawn
)

// Accounts of the ledger.
const (
	accountToss   = "toss"   // what the gateway owes the shop
	accountOrders = "orders" // what was paid for orders
	accountStrays = "strays" // what must go back to shoppers
)

// Kinds of history entries, as the contract lists them.
const (
	kindConfirming      = "confirming"
	kindDeclined        = "declined"
	kindCaptured        = "captured"
	kindRefundRequested = "refund_requested"
	kindRefunded        = "refunded"
	kindRefundRefused   = "refund_refused"
)

// personAfter is when the gateway forgets a confirm's key, less a day: after it asking again could take the money twice.
const personAfter = 14 * 24 * time.Hour

// backoff is when to ask again after so many tries: 2 s, 4 s, … 10 min, with jitter.
func backoff(tries int32) time.Duration {
	d := min(2*time.Second<<min(tries, 10), 10*time.Minute)
	return d + rand.N(d/4+1)
}
