// Package emulator speaks Toss Payments' wire, so that a shop without a Toss account can be tried, tested and broken on
// purpose. The gateway that talks to it is the one that talks to Toss.
//
// A merchant's page hands the amount and the order's name to Toss's own script; there is no such page here. So the emulator
// learns what is to be paid in one of two ways. Within the shop it asks Config.Lookup, which reads the shop's payments; nothing is
// registered, and an order can be paid after a restart of either. As a process of its own (shop toss-emulator) it is told by the
// shop: POST /toss/pay with the client key, as Toss's script does when it opens the window. Either way the order's number in
// the path is all that a script needs.
//
// Paths, each also without the leading /toss:
//
//	POST /toss/v1/payments/confirm                  Toss's API
//	GET  /toss/v1/payments/{paymentKey}
//	GET  /toss/v1/payments/orders/{orderId}
//	POST /toss/v1/payments/{paymentKey}/cancel
//	POST /toss/pay                                  registers an order to be paid (client key)
//	GET  /toss/pay/{orderId}                        the page on which a shopper pays
//	POST /toss/pay/{orderId}/authorize {method}     what a click on "pay" does, for scripts
//	GET  /toss/pay/{orderId}/success, …/fail        where the shopper lands when the shop names no other place
//	     /toss/control/…                            faults, and what banks do, for tests; only with Config.Control
//
// State is kept in a journal that is on disk before an answer leaves, and that is read again at the start.
package emulator

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sasapick/shop/internal/platform/clock"
)

// Limits of Toss's, and of our memory.
const (
	sessionLifetime = 10 * time.Minute    // from authorisation to confirm
	answerLifetime  = 15 * 24 * time.Hour // of an Idempotency-Key
	maxBody         = 64 << 10
	maxKey          = 300 // characters of an Idempotency-Key
	maxRequests     = 1000
)

// Session is an order that can be paid.
type Session struct {
	OrderID     string `json:"orderId"`
	OrderName   string `json:"orderName"`
	AmountWon   int64  `json:"amount"`
	CustomerKey string `json:"customerKey,omitempty"`
	SuccessURL  string `json:"successUrl,omitempty"`
	FailURL     string `json:"failUrl,omitempty"`
	WebhookURL  string `json:"webhookUrl,omitempty"` // of the shop that registered it, before Config.WebhookURL
}

// Config says how the emulator behaves. The zero value works, in memory.
type Config struct {
	SecretKey string // default: test_sk_emulator
	ClientKey string // default: test_ck_emulator
	Journal   string // file that keeps the state; empty: memory
	Clock     clock.Clock
	Logger    *slog.Logger
	Control   bool // serve /control: never where strangers can reach it

	// Lookup finds an order that was not registered; nil: only registered ones can be paid.
	Lookup func(ctx context.Context, orderID string) (Session, bool, error)

	WebhookURL    string          // empty: none, but to shops that register an order with theirs
	WebhookClient *http.Client    // default: a client with Toss's 10 s
	WebhookDelays []time.Duration // between tries; default: Toss's 1, 4, 16, 64, 256, 1024, 4096 minutes

	MaxPayments int // the oldest are forgotten beyond it; default 200,000
}

// Default keys, for a shop that has none.
const (
	DefaultSecretKey = "test_sk_emulator"
	DefaultClientKey = "test_ck_emulator"
)

// Emulator is a Toss of one's own. It is an http.Handler.
type Emulator struct {
	config Config
	clock  clock.Clock
	log    *slog.Logger
	mux    *http.ServeMux
	hooks  *webhooks

	mu       sync.Mutex
	state    state
	journal  *journal
	faults   []*Fault
	requests []Request // the latest, oldest first
}

// Request is one call to the API, as tests look at it.
type Request struct {
	Method         string    `json:"method"`
	Path           string    `json:"path"`
	IdempotencyKey string    `json:"idempotency_key,omitempty"`
	At             time.Time `json:"at"`
}

// New reads the journal and returns an emulator that goes on where it was.
func New(c Config) (*Emulator, error) {
	if c.SecretKey == "" {
		c.SecretKey = DefaultSecretKey
	}
	if c.ClientKey == "" {
		c.ClientKey = DefaultClientKey
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxPayments == 0 {
		c.MaxPayments = 200_000
	}
	e := &Emulator{config: c, clock: c.Clock, log: c.Logger, state: newState(c.MaxPayments)}
	if c.Journal != "" {
		j, err := openJournal(c.Journal, &e.state, c.Clock())
		if err != nil {
			return nil, fmt.Errorf("open the journal of the Toss emulator: %w", err)
		}
		e.journal = j
	}
	e.hooks = newWebhooks(c)
	e.routes()
	return e, nil
}

// Close stops the webhooks and closes the journal.
func (e *Emulator) Close() error {
	e.Release()
	e.hooks.close()
	if e.journal == nil {
		return nil
	}
	return e.journal.close()
}

// Requests returns the latest calls to the API, oldest first.
func (e *Emulator) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Request(nil), e.requests...)
}

func (e *Emulator) routes() {
	e.mux = http.NewServeMux()
	e.mux.Handle("POST /v1/payments/confirm", e.api(e.confirm))
	e.mux.Handle("GET /v1/payments/{paymentKey}", e.api(e.payment))
	e.mux.Handle("GET /v1/payments/orders/{orderId}", e.api(e.paymentByOrder))
	e.mux.Handle("POST /v1/payments/{paymentKey}/cancel", e.api(e.cancel))
	e.mux.Handle("/v1/", e.api(func(*http.Request, []byte) (reply, effect) { return refuse("NOT_FOUND"), effect{} }))

	e.mux.HandleFunc("POST /pay", e.register)
	e.mux.HandleFunc("GET /pay/{orderId}", e.payPage)
	e.mux.HandleFunc("POST /pay/{orderId}/authorize", e.authorizeRoute)
	e.mux.HandleFunc("GET /pay/{orderId}/success", e.successPage)
	e.mux.HandleFunc("GET /pay/{orderId}/fail", e.failPage)
	if e.config.Control {
		e.mux.HandleFunc("GET /control/faults", e.listFaults)
		e.mux.HandleFunc("POST /control/faults", e.addFault)
		e.mux.HandleFunc("DELETE /control/faults", e.clearFaults)
		e.mux.HandleFunc("GET /control/requests", e.listRequests)
		e.mux.HandleFunc("POST /control/deposits", e.bankRoute(e.Deposit))
		e.mux.HandleFunc("POST /control/deposits/taken-back", e.bankRoute(e.TakeBack))
		e.mux.HandleFunc("POST /control/cancels/done", e.bankRoute(e.FinishCancel))
		e.mux.HandleFunc("POST /control/cancels/aborted", e.bankRoute(e.AbortCancel))
	}
}

// ServeHTTP serves Toss's paths, with or without /toss before them.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rest, ok := strings.CutPrefix(r.URL.Path, "/toss"); ok && strings.HasPrefix(rest, "/") {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = rest, strings.TrimPrefix(r.URL.RawPath, "/toss")
	}
	e.mux.ServeHTTP(w, r)
}

// authenticate checks the secret key as Toss wants it: Basic base64(key + ":").
func authenticate(header, key string) (code string) {
	encoded, ok := strings.CutPrefix(header, "Basic ")
	if !ok {
		return "INCORRECT_BASIC_AUTH_FORMAT"
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !strings.HasSuffix(string(raw), ":") {
		return "INCORRECT_BASIC_AUTH_FORMAT"
	}
	if subtle.ConstantTimeCompare(raw[:len(raw)-1], []byte(key)) != 1 {
		return "UNAUTHORIZED_KEY"
	}
	return ""
}

// save brings a change to disk. The caller holds mu; it calls the function that it gets after it has let go of mu, and answers
// only after that.
func (e *Emulator) save(r record) (wait func() error) {
	e.state.apply(r)
	if e.journal == nil {
		return func() error { return nil }
	}
	return e.journal.append(r, &e.state)
}

var errNoOrder = errors.New("no such order")

// session finds an order that can be paid.
func (e *Emulator) session(ctx context.Context, orderID string) (Session, error) {
	e.mu.Lock()
	s, ok := e.state.sessions[orderID]
	e.mu.Unlock()
	if ok {
		return s, nil
	}
	if e.config.Lookup == nil {
		return Session{}, errNoOrder
	}
	s, ok, err := e.config.Lookup(ctx, orderID)
	if err != nil {
		return Session{}, fmt.Errorf("look up order: %w", err)
	}
	if !ok {
		return Session{}, errNoOrder
	}
	return s, nil
}
