package emulator

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Statuses of a payment.
const (
	inProgress = "IN_PROGRESS"
	waiting    = "WAITING_FOR_DEPOSIT"
	done       = "DONE"
	canceled   = "CANCELED"
	partial    = "PARTIAL_CANCELED"
	aborted    = "ABORTED"
	expired    = "EXPIRED"
)

// kept is a payment with what Toss does not show of it.
type kept struct {
	Payment
	AuthorizedAt time.Time `json:"authorizedAt"`
	Decline      string    `json:"decline,omitempty"` // the code that confirm will be refused with
}

// answer is what an Idempotency-Key was answered with.
type answer struct {
	Scope  string    `json:"scope"`
	At     time.Time `json:"at"`
	Status int       `json:"status"`
	Body   string    `json:"body"`
}

// record is one line of the journal: what changed together.
type record struct {
	Session *Session `json:"session,omitempty"`
	Payment *kept    `json:"payment,omitempty"`
	Answer  *answer  `json:"answer,omitempty"`
}

// state is everything that the emulator remembers. The oldest payments, sessions and answers are forgotten beyond a limit.
type state struct {
	limit    int
	sessions map[string]Session
	payments map[string]*kept    // by payment key
	orders   map[string][]string // payment keys of an order, oldest first
	answers  map[string]*answer
	running  map[string]struct{} // scopes whose first request is being served

	sessionOrder, paymentOrder, answerOrder []string // oldest first
}

func newState(limit int) state {
	return state{
		limit: limit, sessions: map[string]Session{}, payments: map[string]*kept{}, orders: map[string][]string{},
		answers: map[string]*answer{}, running: map[string]struct{}{},
	}
}

// apply puts a record into memory; the last one of a thing holds.
func (s *state) apply(r record) {
	if r.Session != nil {
		if _, known := s.sessions[r.Session.OrderID]; !known {
			s.sessionOrder = append(s.sessionOrder, r.Session.OrderID)
		}
		s.sessions[r.Session.OrderID] = *r.Session
		s.sessionOrder = forget(s.sessionOrder, s.limit, func(id string) { delete(s.sessions, id) })
	}
	if p := r.Payment; p != nil {
		if _, known := s.payments[p.PaymentKey]; !known {
			s.paymentOrder = append(s.paymentOrder, p.PaymentKey)
			s.orders[p.OrderID] = append(s.orders[p.OrderID], p.PaymentKey)
		}
		s.payments[p.PaymentKey] = p
		s.paymentOrder = forget(s.paymentOrder, s.limit, s.forgetPayment)
	}
	if a := r.Answer; a != nil {
		if _, known := s.answers[a.Scope]; !known {
			s.answerOrder = append(s.answerOrder, a.Scope)
		}
		s.answers[a.Scope] = a
		s.answerOrder = forget(s.answerOrder, 2*s.limit, func(scope string) { delete(s.answers, scope) })
	}
}

// forget drops the oldest ids beyond the limit, a tenth at once so that it costs little.
func forget(order []string, limit int, drop func(string)) []string {
	if len(order) <= limit {
		return order
	}
	n := len(order) - limit + limit/10
	for _, id := range order[:n] {
		drop(id)
	}
	return append([]string(nil), order[n:]...)
}

func (s *state) forgetPayment(key string) {
	order := s.payments[key].OrderID
	delete(s.payments, key)
	var rest []string
	for _, k := range s.orders[order] {
		if k != key {
			rest = append(rest, k)
		}
	}
	if len(rest) == 0 {
		delete(s.orders, order)
		return
	}
	s.orders[order] = rest
}

// all returns what is worth keeping, as records.
func (s *state) all(now time.Time) []record {
	var rs []record
	for _, id := range s.sessionOrder {
		if v, ok := s.sessions[id]; ok {
			rs = append(rs, record{Session: &v})
		}
	}
	for _, key := range s.paymentOrder {
		if p, ok := s.payments[key]; ok {
			rs = append(rs, record{Payment: p})
		}
	}
	for _, scope := range s.answerOrder {
		if a, ok := s.answers[scope]; ok && now.Sub(a.At) < answerLifetime {
			rs = append(rs, record{Answer: a})
		}
	}
	return rs
}

// ofOrder returns the payment that an order's number stands for: the one that took money if there is one, else the latest.
func (s *state) ofOrder(orderID string) (*kept, bool) {
	keys := s.orders[orderID]
	for i := len(keys) - 1; i >= 0; i-- {
		switch p := s.payments[keys[i]]; p.Status {
		case done, partial, canceled, waiting:
			return p, true
		}
	}
	if len(keys) == 0 {
		return nil, false
	}
	return s.payments[keys[len(keys)-1]], true
}

// seenAt returns the payment as it is now: a session that nobody confirmed in time has expired.
func (p *kept) seenAt(now time.Time) *kept {
	c := *p
	c.Cancels = append([]Cancel(nil), p.Cancels...)
	if c.VirtualAccount != nil {
		account := *c.VirtualAccount
		due, err := time.Parse(time.RFC3339, account.DueDate)
		account.Expired = c.Status == waiting && err == nil && !now.Before(due)
		c.VirtualAccount = &account
	}
	if c.Status == inProgress && now.Sub(c.AuthorizedAt) >= sessionLifetime {
		c.Status = expired
	}
	return &c
}

// token makes an unguessable name.
func token(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// scopeOf names a request for its Idempotency-Key: key, API key, URL and method, and not the body.
func scopeOf(key, apiKey, path, method string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{key, apiKey, path, method}, "\x00")))
	return hex.EncodeToString(sum[:])
}
