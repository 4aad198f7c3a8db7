package app_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sasapick/shop/internal/coupons"
)

// A history is what many callers did to some coupons at once, and what each was told. It is right if the operations can be put in one
// order, each between its call and its answer, in which a plain model gives the same answers.

const (
	holders = 5  // accounts of a campaign: few, so that callers meet
	lives   = 15 // orders of a campaign; each is of one of the accounts
)

// ownerOf is the account of an order.
func ownerOf(order int) int { return order % holders }

// op is an operation on a campaign: campaigns are checked apart from each other.
type op struct {
	campaign, account, order int
	kind                     string
}

// said is an answer. One that is not known may be any: nobody knows then whether, or when, the operation took effect.
type said struct {
	what            string
	taken, redeemed int64 // of a look
}

const unknown = "unknown"

// model is a campaign with the coupons of accounts, and the orders that have them.
type model struct {
	limit, taken, redeemed int64
	holds                  [holders]bool
	state                  [lives]byte // 0, or the first letter of a redemption's state
}

// busy tells whether an order has the account's coupon.
func (m model) busy(account int) bool {
	for order, state := range m.state {
		if ownerOf(order) == account && (state == 'h' || state == 'u') {
			return true
		}
	}
	return false
}

// apply does an operation as it should be done, and gives its answer.
func (m model) apply(o op) (said, model) {
	switch o.kind {
	case "look":
		return said{taken: m.taken, redeemed: m.redeemed}, m
	case "claim":
		switch {
		case m.holds[o.account]:
			return said{what: "again"}, m
		case m.taken == m.limit:
			return said{what: coupons.ErrSoldOut.Code}, m
		}
		m.holds[o.account] = true
		m.taken++
		return said{what: "new"}, m
	case "redeem":
		switch {
		case m.state[o.order] == 'h':
			return said{what: string(coupons.Held)}, m
		case m.state[o.order] == 'u':
			return said{what: string(coupons.Used)}, m
		case m.state[o.order] == 'r':
			return said{what: coupons.ErrReleased.Code}, m
		case !m.holds[ownerOf(o.order)]:
			return said{what: coupons.ErrNoCoupon.Code}, m
		case m.busy(ownerOf(o.order)):
			return said{what: coupons.ErrNotApplicable.Code}, m
		}
		m.state[o.order] = 'h'
		m.redeemed++
		return said{what: string(coupons.Held)}, m
	case "use":
		if m.state[o.order] == 'h' {
			m.state[o.order] = 'u'
		}
		return said{}, m
	case "expire":
		if m.state[o.order] == 'h' || m.state[o.order] == 'u' {
			m.redeemed--
		}
		m.state[o.order] = 'r'
		return said{}, m
	}
	panic(o.kind)
}

// checker accepts the histories of campaigns of so many coupons.
func checker(limit int64) porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			campaigns := map[int][]porcupine.Operation{}
			for _, o := range history {
				campaigns[o.Input.(op).campaign] = append(campaigns[o.Input.(op).campaign], o)
			}
			var parts [][]porcupine.Operation
			for _, c := range campaigns {
				parts = append(parts, c)
			}
			return parts
		},
		Init: func() any { return model{limit: limit} },
		Step: func(state, input, output any) (bool, any) {
			right, after := state.(model).apply(input.(op))
			told := output.(said)
			return told.what == unknown || told == right, after
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
	}
}

// desk is what a history is of.
type desk interface {
	Claim(ctx context.Context, caller, campaign, account int) (coupons.Coupon, error)
	Redeem(ctx context.Context, caller, campaign, order int) (coupons.Redemption, error)
	Settle(ctx context.Context, caller, campaign, order int, event string) error
	Look(ctx context.Context, campaign int) (taken, redeemed int64, err error)
}

// recorder writes down who did what, in the order in which it happened.
type recorder struct {
	desk    desk
	clock   atomic.Int64
	mu      sync.Mutex
	history []porcupine.Operation
	unknown int
}

// do carries an operation out, and writes down what was said.
func (r *recorder) do(ctx context.Context, caller int, o op) {
	call := r.clock.Add(1)
	told, err := r.call(ctx, caller, o)
	done := r.clock.Add(1)
	if err != nil {
		told, done = said{what: unknown}, math.MaxInt64
		for _, known := range []interface {
			error
			Is(error) bool
		}{coupons.ErrSoldOut, coupons.ErrNoCoupon, coupons.ErrNotApplicable, coupons.ErrReleased} {
			if errors.Is(err, known) {
				told, done = said{what: codeOf(known)}, r.clock.Load()
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if told.what == unknown {
		if o.kind == "look" {
			return
		}
		r.unknown++
	}
	if o.kind == "redeem" && (told.what == string(coupons.Used) || told.what == coupons.ErrReleased.Code) {
		// A flight whose connection was lost flies again, and then tells how the order stands: it may have had the coupon in the meantime.
		r.history = append(r.history, porcupine.Operation{ClientId: caller, Input: o, Call: call, Output: said{what: unknown}, Return: done})
	}
	r.history = append(r.history, porcupine.Operation{ClientId: caller, Input: o, Call: call, Output: told, Return: done})
}

func (r *recorder) call(ctx context.Context, caller int, o op) (told said, err error) {
	switch o.kind {
	case "look":
		told.taken, told.redeemed, err = r.desk.Look(ctx, o.campaign)
	case "claim":
		var c coupons.Coupon
		c, err = r.desk.Claim(ctx, caller, o.campaign, o.account)
		if told.what = "new"; c.Repeated {
			told.what = "again"
		}
	case "redeem":
		var c coupons.Redemption
		c, err = r.desk.Redeem(ctx, caller, o.campaign, o.order)
		told.what = string(c.State)
	case "use":
		err = r.desk.Settle(ctx, caller, o.campaign, o.order, paid)
	case "expire":
		err = r.desk.Settle(ctx, caller, o.campaign, o.order, expired)
	}
	return told, err
}

// play lets callers do to each campaign what a seed makes up, at the same time, and gives up on some answers.
func (r *recorder) play(ctx context.Context, seed uint64, campaigns, callers, each int) {
	var wg sync.WaitGroup
	for caller := range campaigns * callers {
		random := rand.New(rand.NewPCG(seed, uint64(caller)))
		wg.Go(func() {
			for range each {
				o := op{campaign: caller / callers, account: random.IntN(holders), order: random.IntN(lives)}
				o.kind = []string{
					"claim", "claim", "claim", "redeem", "redeem", "redeem", "redeem", "redeem", "expire", "expire", "use", "look",
				}[random.IntN(12)]
				patience, giveUp := context.WithCancel(ctx)
				if random.IntN(12) == 0 {
					stop := time.AfterFunc(time.Duration(random.Int64N(int64(4*time.Millisecond))), giveUp)
					r.do(patience, caller, o)
					stop.Stop()
				} else {
					r.do(patience, caller, o)
				}
				giveUp()
			}
		})
	}
	wg.Wait()
	for campaign := range campaigns {
		r.do(ctx, 0, op{kind: "look", campaign: campaign})
	}
}

// verdict says whether the history of campaigns of so many coupons is right.
func (r *recorder) verdict(limit int64) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(checker(limit), r.history, time.Minute)
}

// String lists the operations, a line each, by campaign and in the order of their calls.
func (r *recorder) String() string {
	lines := slices.Clone(r.history)
	slices.SortFunc(lines, func(a, b porcupine.Operation) int {
		return cmp.Or(cmp.Compare(a.Input.(op).campaign, b.Input.(op).campaign), cmp.Compare(a.Call, b.Call))
	})
	var b strings.Builder
	for _, o := range lines {
		fmt.Fprintf(&b, "%d to %d, caller %d: %+v: %+v\n", o.Call, o.Return, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}
