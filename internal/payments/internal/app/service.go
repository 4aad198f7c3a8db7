// Package app implements payments.
//
// Every way in which the outcome of a payment can be learned, the confirm's own answer, a webhook, the job that asks again, an admin
// who asks now, ends in one function, settle, which compares and sets under the payment's lock. No connection is held and no
// transaction is open while the gateway is asked.
package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// Config is what differs between shops. A zero duration or number takes the default.
type Config struct {
	ClientKey   string // what the shopper's page hands to the gateway's script
	CheckoutURL string // pay pages are at CheckoutURL/{order_number}; empty: the shop's own page opens the gateway's window

	AnswerWithin time.Duration // how long a confirm or a refund waits for the gateway before it says "not known yet"; 8 s
	RepeatWithin time.Duration // how long a repeat waits for the first; 2 s
	GatewayLimit time.Duration // the longest that a call to the gateway may take, with what follows it; 25 s
	MaxCalls     int           // calls to the gateway under way; 256
	WebhookRate  float64       // webhooks taken in a second; 100
}

func (c Config) withDefaults() Config {
	c.AnswerWithin = cmp.Or(c.AnswerWithin, 8*time.Second)
	c.RepeatWithin = cmp.Or(c.RepeatWithin, 2*time.Second)
	c.GatewayLimit = cmp.Or(c.GatewayLimit, 25*time.Second)
	c.MaxCalls = cmp.Or(c.MaxCalls, 256)
	c.WebhookRate = cmp.Or(c.WebhookRate, 100)
	return c
}

// Parts are what a service is made of.
type Parts struct {
	Config   Config
	Pool     *pgxpool.Pool
	Outbox   *outbox.Outbox
	Audit    *audit.Log
	Gateway  Gateway
	Checkout Checkout // nil: nothing has to be registered
	Clock    clock.Clock
	Logger   *slog.Logger
	Flights  batch.Limits
	Metrics  prometheus.Registerer // nil: shown nowhere
}

// Service is a payments.Service.
type Service struct {
	config   Config
	pool     *pgxpool.Pool
	flying   *pgxpool.Pool // the flights' own connections
	sql      *db.Queries
	outbox   *outbox.Outbox
	audit    *audit.Log
	gateway  Gateway
	checkout Checkout
	clock    clock.Clock
	log      *slog.Logger

	opening  *batch.Group[payments.OpenInput, db.PaymentsOfRow]
	closing  *batch.Group[uuid.UUID, db.PaymentsOfRow]
	repeats  *repeats
	calls    chan struct{} // a slot for each call to the gateway
	working  sync.WaitGroup
	webhooks *rate.Limiter
	backlog  *prometheus.GaugeVec
	alerts   *prometheus.CounterVec
}

var _ payments.Service = (*Service)(nil)

// NewService returns a service. Shut it down before its pool.
func NewService(p Parts) (*Service, error) {
	c := p.Config.withDefaults()
	opening, closing := batch.Config{Name: "payments.open", Shards: 2}.Within(p.Flights), batch.Config{Name: "payments.close", Shards: 2}.Within(p.Flights)
	flying, err := batch.Connections(p.Pool, opening.Shards+closing.Shards)
	if err != nil {
		return nil, err
	}
	s := &Service{
		config: c, pool: p.Pool, flying: flying, sql: db.New(), outbox: p.Outbox, audit: p.Audit, gateway: p.Gateway, checkout: p.Checkout,
		clock: p.Clock, log: p.Logger, calls: make(chan struct{}, c.MaxCalls),
		webhooks: rate.NewLimiter(rate.Limit(c.WebhookRate), int(2*c.WebhookRate)+1),
		backlog: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shop_payments_backlog", Help: "What waits for the gateway (unknown, refunds_due, webhooks) or for a person (stuck, refunds_refused, webhooks_stuck).",
		}, []string{"kind"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_payments_alerts_total",
			Help: "What a person should look at: Toss says what cannot be (disputed) or gives no money back (refund_refused), or what it said could not be written (attempt_failed, refund_failed, webhook_failed), or is about something else (webhook_mismatch).",
		}, []string{"reason"}),
		repeats: newRepeats(),
	}
	s.opening, s.closing = batch.New(opening, s.openAll), batch.New(closing, s.closeAll)
	if p.Metrics != nil {
		for _, m := range []prometheus.Collector{s.backlog, s.alerts, s.repeats.waited} {
			if err := p.Metrics.Register(m); err != nil {
				return nil, fmt.Errorf("register metrics of payments: %w", err)
			}
		}
	}
	return s, nil
}

// Shutdown lets the calls that are under way end, and their outcomes be written.
func (s *Service) Shutdown() {
	s.opening.Close()
	s.closing.Close()
	s.flying.Close()
	s.working.Wait()
}

var orderNumbers = regexp.MustCompile(`^[A-Za-z0-9_=-]{6,64}$`)

// Open implements payments.Service. Orders that are opened at the same time share a transaction.
func (s *Service) Open(ctx context.Context, in payments.OpenInput) (payments.Payment, error) {
	if in.AmountWon < 100 || !orderNumbers.MatchString(in.OrderNumber) || in.OrderID == uuid.Nil || in.AccountID == uuid.Nil ||
		len([]rune(in.OrderName)) > 100 || strings.ContainsRune(in.OrderName, 0) {
		return payments.Payment{}, fmt.Errorf("order %s cannot be paid as it is", in.OrderID)
	}
	row, err := s.opening.Do(ctx, batch.KeyOf(in.OrderID), in)
	if err != nil {
		return payments.Payment{}, fmt.Errorf("open payment: %w", err)
	}
	p := s.view(row.PaymentsPayment, row.CustomerKey)
	s.register(ctx, row)
	return p, nil
}

// openAll is the flight of Open.
func (s *Service) openAll(ctx context.Context, in []payments.OpenInput) ([]batch.Result[db.PaymentsOfRow], error) {
	sorted := slices.Clone(in)
	slices.SortStableFunc(sorted, func(a, b payments.OpenInput) int { return slices.Compare(a.OrderID[:], b.OrderID[:]) })
	arg := db.OpenPaymentsParams{At: s.clock()}
	keys := map[uuid.UUID]string{}
	for _, o := range sorted {
		arg.OrderIds = append(arg.OrderIds, o.OrderID)
		arg.OrderNumbers = append(arg.OrderNumbers, o.OrderNumber)
		arg.OrderNames = append(arg.OrderNames, o.OrderName)
		arg.AccountIds = append(arg.AccountIds, o.AccountID)
		arg.AmountsWon = append(arg.AmountsWon, o.AmountWon)
		arg.ExpireAt = append(arg.ExpireAt, o.ExpiresAt.UTC().Truncate(time.Millisecond))
		arg.NoDeposits = append(arg.NoDeposits, o.NoDeposit)
		keys[o.AccountID] = rand.Text()
	}
	var customers db.EnsureCustomersParams
	for _, account := range slices.SortedFunc(maps.Keys(keys), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }) {
		customers.AccountIds = append(customers.AccountIds, account)
		customers.CustomerKeys = append(customers.CustomerKeys, keys[account])
	}
	openCommit.Hit()
	opened, err := s.sql.OpenAll(ctx, s.flying, customers, arg)
	if err != nil {
		return nil, err
	}
	openCommitted.Hit()
	results := make([]batch.Result[db.PaymentsOfRow], len(in))
	for i, o := range in {
		results[i].Out = opened[o.OrderID]
	}
	return results, nil
}

// register opens a window at an emulator in another process. It is done again whenever the payment is read, so a failure is no more
// than a warning.
func (s *Service) register(ctx context.Context, row db.PaymentsOfRow) {
	p := row.PaymentsPayment
	if s.checkout == nil || p.State != string(payments.StateOpen) || p.OrderNumber == nil {
		return
	}
	err := s.checkout.Register(ctx, Session{OrderNumber: *p.OrderNumber, OrderName: p.OrderName, AmountWon: p.AmountWon, CustomerKey: row.CustomerKey})
	if err != nil {
		s.log.WarnContext(ctx, "an order could not be registered at the Toss emulator", "order", p.OrderID, "error", err)
	}
}

// Close implements payments.Service: the arbiter's word. Orders that are closed at the same time share a transaction.
func (s *Service) Close(ctx context.Context, in payments.CloseInput) (payments.Payment, error) {
	row, err := s.closing.Do(ctx, batch.KeyOf(in.OrderID), in.OrderID)
	if err != nil {
		return payments.Payment{}, fmt.Errorf("close payment: %w", err)
	}
	return s.view(row.PaymentsPayment, row.CustomerKey), nil
}

// closeAll is the flight of Close.
func (s *Service) closeAll(ctx context.Context, in []uuid.UUID) ([]batch.Result[db.PaymentsOfRow], error) {
	ids := slices.Clone(in)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	closeCommit.Hit()
	closed, err := s.sql.CloseAll(ctx, s.flying, db.ClosePaymentsParams{OrderIds: slices.Compact(ids), At: s.clock()})
	if err != nil {
		return nil, err
	}
	closeCommitted.Hit()
	results := make([]batch.Result[db.PaymentsOfRow], len(in))
	for i, id := range in {
		results[i].Out = closed[id]
	}
	return results, nil
}

// Payment implements payments.Service.
func (s *Service) Payment(ctx context.Context, in payments.PaymentInput) (payments.Payment, error) {
	row, err := s.sql.PaymentOf(ctx, s.pool, in.OrderID)
	if errors.Is(err, pgx.ErrNoRows) {
		return payments.Payment{}, payments.ErrNoPayment
	}
	if err != nil {
		return payments.Payment{}, fmt.Errorf("read payment: %w", err)
	}
	p := row.PaymentsPayment
	if p.AccountID == nil || in.AccountID != uuid.Nil && *p.AccountID != in.AccountID {
		return payments.Payment{}, payments.ErrNoPayment
	}
	s.register(ctx, db.PaymentsOfRow(row))
	return s.whole(ctx, row)
}

// whole is a payment with its refund and its history.
func (s *Service) whole(ctx context.Context, row db.PaymentOfRow) (payments.Payment, error) {
	out := s.view(row.PaymentsPayment, row.CustomerKey)
	refund, err := s.sql.LatestRefund(ctx, s.pool, out.OrderID)
	switch {
	case err == nil:
		out.Refund = refundOf(refund)
	case !errors.Is(err, pgx.ErrNoRows):
		return payments.Payment{}, fmt.Errorf("read refund: %w", err)
	}
	history, err := s.sql.HistoryOf(ctx, s.pool, out.OrderID)
	if err != nil {
		return payments.Payment{}, fmt.Errorf("read history: %w", err)
	}
	for _, h := range history {
		out.History = append(out.History, payments.Entry{At: h.At.UTC(), Kind: h.Kind, AmountWon: h.AmountWon, Detail: h.Detail})
	}
	return out, nil
}

// view is a payment as others see it.
func (s *Service) view(p db.Payment, customerKey string) payments.Payment {
	out := payments.Payment{
		OrderID: p.OrderID, State: stateOf(p.State), AmountWon: p.AmountWon, RefundedWon: p.RefundedWon, Method: p.Method,
		ReceiptURL: p.ReceiptUrl, CustomerKey: customerKey, ClientKey: s.config.ClientKey, ExpiresAt: p.ExpiresAt.UTC(),
		ApprovedAt: p.ApprovedAt, DepositDueAt: p.DepositDueAt,
	}
	if p.AccountID != nil {
		out.AccountID = *p.AccountID
	}
	if p.OrderNumber != nil {
		out.OrderNumber = *p.OrderNumber
		if s.config.CheckoutURL != "" {
			out.CheckoutURL = s.config.CheckoutURL + "/" + out.OrderNumber
		}
	}
	return out
}

func refundOf(r db.Refund) *payments.Refund {
	return &payments.Refund{
		ID: r.ID, State: payments.RefundState(r.State), AmountWon: r.AmountWon, Reason: r.Reason, Code: r.Code,
		RequestedAt: r.RequestedAt.UTC(), DoneAt: r.DoneAt,
	}
}

// Sessions finds what is to be paid for an order, for the emulator in this process.
func Sessions(pool *pgxpool.Pool) func(ctx context.Context, orderNumber string) (Session, bool, error) {
	sql := db.New()
	return func(ctx context.Context, orderNumber string) (Session, bool, error) {
		if !orderNumbers.MatchString(orderNumber) {
			return Session{}, false, nil
		}
		r, err := sql.SessionByNumber(ctx, pool, orderNumber)
		if errors.Is(err, pgx.ErrNoRows) {
			return Session{}, false, nil
		}
		if err != nil {
			return Session{}, false, fmt.Errorf("read session: %w", err)
		}
		return Session(r), true, nil
	}
}

// patience is how long a caller can wait for the gateway: less than its own deadline, so that it still gets an answer.
func (s *Service) patience(ctx context.Context) time.Duration {
	d := s.config.AnswerWithin
	if until, ok := ctx.Deadline(); ok {
		d = min(d, time.Until(until)-300*time.Millisecond)
	}
	return max(d, 0)
}

// begin takes a slot for a call to the gateway. Its work goes on when the caller gives up, so that the outcome is written.
func (s *Service) begin() bool {
	select {
	case s.calls <- struct{}{}:
		return true
	default:
		return false
	}
}

// detached runs work that has a slot, and waits for it as long as the caller's patience lasts. The work's context keeps the
// caller's values and has a limit of its own.
func (s *Service) detached(ctx context.Context, work func(ctx context.Context)) {
	done := make(chan struct{})
	s.working.Go(func() {
		defer close(done)
		defer func() { <-s.calls }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.GatewayLimit)
		defer cancel()
		work(ctx)
	})
	t := time.NewTimer(s.patience(ctx))
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	case <-ctx.Done():
	}
}
