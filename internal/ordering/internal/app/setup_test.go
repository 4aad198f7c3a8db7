package app_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/ordering/internal/postgres"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		_ = checks.Value.Set("25") // each works on a real database
	}
	if shrinking := flag.Lookup("rapid.shrinktime"); shrinking.Value.String() == shrinking.DefValue {
		_ = shrinking.Value.Set("5s")
	}
	_ = flag.Set("rapid.nofailfile", "true") // what is printed is enough
	pgtest.Main(m)
}

// tester is a test, or one check of a property.
type tester interface {
	require.TestingT
	Helper()
	Context() context.Context
}

// shop is ordering on a real database, among fakes.
type shop struct {
	*app.Service
	pool     *pgxpool.Pool
	clock    *clock.Manual
	catalog  *fakeCatalog
	payments *fakePayments
	accounts *fakeAccounts
	coupons  *fakeDiscounts
	points   *fakePoints
	carts    app.Carts
	parts    app.Parts
	relayed  int64
	unpaid   int64 // how many unpaid orders an account may have
}

func setup(t *testing.T, edits ...func(p *app.Parts)) *shop {
	t.Helper()
	return setupOn(t, pgtest.New(t, "ordering"), edits...)
}

func setupOn(t *testing.T, pool *pgxpool.Pool, edits ...func(p *app.Parts)) *shop {
	t.Helper()
	now := clock.NewManual(start)
	s := &shop{
		pool: pool, clock: now, catalog: newCatalog(now.Now), payments: newPayments(now.Now), coupons: newDiscounts(), points: newPoints(),
		carts: postgres.NewCarts(pool, now.Now),
	}
	s.accounts = &fakeAccounts{has: s.points}
	level := slog.LevelError + 1
	if os.Getenv("SHOP_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	parts := app.Parts{
		Pool: pool, Outbox: outbox.New("ordering", now.Now), Audit: audit.New("ordering", now.Now), Clock: now.Now,
		Log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
		Products: s.catalog, Stock: s.catalog, Drops: s.catalog, Payments: s.payments, Accounts: s.accounts, Points: s.points,
		Coupons: s.coupons, Carts: s.carts, Config: app.Defaults(),
	}
	for _, edit := range edits {
		edit(&parts)
	}
	var err error
	s.parts = parts
	s.Service, err = app.NewService(parts)
	require.NoError(t, err)
	s.unpaid = parts.Config.MaxUnpaid
	t.Cleanup(s.Close)
	return s
}

// instance is one more process of the same shop.
func (s *shop) instance(t *testing.T) *app.Service {
	t.Helper()
	other, err := app.NewService(s.parts)
	require.NoError(t, err)
	t.Cleanup(other.Close)
	return other
}

// input is an order of one piece of each product, at the price that the catalog asks.
func (s *shop) input(account uuid.UUID, key string, products ...uuid.UUID) app.PlaceInput {
	in := app.PlaceInput{AccountID: account, AddressID: account}
	for _, p := range products {
		in.Items = append(in.Items, app.PlaceItem{ProductID: p, Quantity: 1, ExpectedPriceWon: s.catalog.price(p)})
	}
	in.Key = idempotency.Of(key, "/v1/orders", in.Items)
	return in
}

// reduced is an order with a coupon of 2,000 won and 500 of the account's 1,000 points.
func (s *shop) reduced(account uuid.UUID, key string, products ...uuid.UUID) app.PlaceInput {
	s.points.grant(account, 1_000)
	in := s.input(account, key, products...)
	in.CouponID, in.PointsWon = s.coupons.give(account, 2_000), 500
	in.Key = idempotency.Of(key, "/v1/orders", in)
	return in
}

// place is an order that awaits its payment.
func (s *shop) place(t tester, account uuid.UUID, products ...uuid.UUID) app.Placement {
	t.Helper()
	p, err := s.Place(t.Context(), s.input(account, uuid.NewString(), products...))
	require.NoError(t, err)
	return p
}

// paid is an order whose money is in.
func (s *shop) paid(t tester, account uuid.UUID, products ...uuid.UUID) uuid.UUID {
	t.Helper()
	p := s.place(t, account, products...)
	_, err := s.Confirm(t.Context(), confirmation(p, uuid.NewString()))
	require.NoError(t, err)
	return p.Order.ID
}

func confirmation(p app.Placement, key string) payments.ConfirmInput {
	return payments.ConfirmInput{
		AccountID: p.Order.AccountID, PaymentKey: "pay_1", OrderNumber: p.Order.Number, AmountWon: p.Order.DueWon, IdempotencyKey: key,
	}
}

func cancelation(account, order uuid.UUID, key string) app.CancelInput {
	return app.CancelInput{
		AccountID: account, By: account, OrderID: order, Key: idempotency.Of(key, "/v1/orders/"+order.String()+"/cancel", "x"), Reason: "changed my mind",
	}
}

func (s *shop) state(t tester, order uuid.UUID) ordering.State {
	t.Helper()
	var state string
	require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT state FROM ordering.orders WHERE id = $1`, order).Scan(&state))
	return ordering.State(state)
}

func (s *shop) count(t tester, sql string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, s.pool.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func (s *shop) exec(t tester, sql string, args ...any) {
	t.Helper()
	_, err := s.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// bought is how many pieces count against the account's limit.
func (s *shop) bought(t tester, account, product uuid.UUID) int {
	t.Helper()
	return s.count(t, `
		SELECT COALESCE((SELECT sum(quantity) FROM ordering.purchase_quotas WHERE account_id = $1 AND product_id = $2), 0)
		     - COALESCE((SELECT sum(l.quantity) FROM ordering.quota_returns r JOIN ordering.order_lines l USING (order_id)
		                 WHERE r.account_id = $1 AND l.product_id = $2), 0)`, account, product)
}

// hear delivers an event to ordering, as the bus does.
func (s *shop) hear(t tester, e outbox.Event) {
	t.Helper()
	require.NoError(t, s.tryHear(t.Context(), e))
}

func (s *shop) tryHear(ctx context.Context, e outbox.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	for _, sub := range app.Subscriptions(s.Service) {
		if sub.Type == e.EventType() {
			return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
				return sub.Handle(ctx, tx, bus.Envelope{ID: uuid.New(), Source: sub.Source, Type: sub.Type, Key: e.AggregateID(), Data: data})
			})
		}
	}
	return fmt.Errorf("nobody hears %s", e.EventType())
}

type published struct {
	id      int64
	typ     string
	order   uuid.UUID
	version int64
	data    []byte
}

func (s *shop) events(t tester, after int64) []published {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), `SELECT id, type, key, aggregate_version, data FROM ordering.outbox WHERE id > $1 ORDER BY id`, after)
	require.NoError(t, err)
	var found []published
	var p published
	_, err = pgx.ForEachRow(rows, []any{&p.id, &p.typ, &p.order, &p.version, &p.data}, func() error {
		found = append(found, published{p.id, p.typ, p.order, p.version, append([]byte{}, p.data...)})
		return nil
	})
	require.NoError(t, err)
	return found
}

// relay lets the other modules hear what ordering has published.
func (s *shop) relay(t tester) {
	t.Helper()
	for _, e := range s.events(t, s.relayed) {
		switch e.typ {
		case ordering.Paid{}.EventType():
			s.catalog.use(e.order)
			s.coupons.settle(e.order, coupons.Used)
			s.points.settle(e.order, accounts.Used)
		case ordering.Refunded{}.EventType():
			var r ordering.Refunded
			require.NoError(t, json.Unmarshal(e.data, &r))
			s.points.grant(r.AccountID, r.PointsBack)
			if r.Whole {
				s.coupons.settle(e.order, coupons.Released)
			}
		case ordering.RefundRefused{}.EventType():
			var r ordering.RefundRefused
			require.NoError(t, json.Unmarshal(e.data, &r))
			s.points.undo(r.AccountID, r.RefundID)
		case ordering.Rejected{}.EventType(), ordering.Expired{}.EventType(), ordering.Canceled{}.EventType():
			s.catalog.release(e.order)
			s.coupons.settle(e.order, coupons.Released)
			s.points.settle(e.order, accounts.Released)
		}
		s.relayed = e.id
	}
}

// check looks at what must hold at any time once every event has been heard, of the account's orders.
func (s *shop) check(t tester, account uuid.UUID) {
	t.Helper()
	s.relay(t)
	legal := map[[2]ordering.State]bool{}
	for _, w := range app.Ways() {
		legal[[2]ordering.State{w.From, w.To}] = true
	}
	versions := map[uuid.UUID]int64{}
	for _, e := range s.events(t, 0) {
		versions[e.order]++
		require.Equal(t, versions[e.order], e.version, "versions are contiguous")
	}
	rows, err := s.pool.Query(t.Context(), `
		SELECT o.id, o.state, o.version, o.step, o.refunded_won, t.step, t.from_state, t.to_state
		FROM ordering.orders o JOIN ordering.order_timeline t ON t.order_id = o.id
		WHERE o.account_id = $1 ORDER BY o.id, t.step`, account)
	require.NoError(t, err)
	var id, last uuid.UUID
	var state, from, to, at string
	var version, refunded int64
	var steps, step, seen int
	unpaid := map[uuid.UUID]bool{}
	_, err = pgx.ForEachRow(rows, []any{&id, &state, &version, &steps, &refunded, &step, &from, &to}, func() error {
		if id != last {
			last, seen, at = id, 0, ""
		}
		seen++
		require.Equal(t, seen, step, "the timeline has no gap")
		require.Equal(t, at, from, "the timeline hangs together")
		if at != "" && from != to {
			require.True(t, legal[[2]ordering.State{ordering.State(from), ordering.State(to)}], "%s to %s", from, to)
		}
		at = to
		if step < steps {
			return nil
		}
		require.Equal(t, state, to, "the timeline ends where the order is")
		require.Equal(t, versions[id], version)
		hold, payment := s.catalog.hold(id), s.payments.of(id)
		switch st := ordering.State(state); {
		case st == ordering.StateRefunded:
			require.Equal(t, catalog.Used, hold, "what came back was sold")
			require.NotContains(t, []coupons.RedemptionState{coupons.Held, coupons.Used}, s.coupons.of(id), "the coupon of what came back is not given back")
			require.Equal(t, refunded, payment.RefundedWon, "the order says what went back")
		case app.Dead(st):
			require.NotContains(t, []catalog.HoldState{catalog.Held, catalog.Used}, hold, "a dead order holds stock")
			require.NotContains(t, []coupons.RedemptionState{coupons.Held, coupons.Used}, s.coupons.of(id), "a dead order has a coupon")
			require.NotContains(t, []accounts.HoldState{accounts.Held, accounts.Used}, s.points.of(id), "a dead order holds points")
			require.NotEqual(t, payments.StateOpen, payment.State, "a dead order can be paid")
			if payment.State == payments.StateCaptured {
				require.Equal(t, payment.AmountWon, payment.RefundedWon, "money is kept for a dead order")
			}
		case st == ordering.StateAwaitingPayment:
			unpaid[id] = true
			require.Equal(t, catalog.Held, hold)
		case st != ordering.StatePending:
			require.Equal(t, catalog.Used, hold, "what was paid for is sold")
			if st != ordering.StateCanceling && refunded > 0 {
				require.Equal(t, refunded, payment.RefundedWon, "the order says what went back")
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.LessOrEqual(t, int64(len(unpaid)), s.unpaid)
	require.NoError(t, s.ReturnQuotas(t.Context()))
	require.Zero(t, s.count(t, `
		SELECT count(*) FROM ordering.purchase_quotas q
		WHERE q.account_id = $1 AND q.quantity <> COALESCE((
		    SELECT sum(l.quantity) FROM ordering.order_lines l JOIN ordering.orders o ON o.id = l.order_id
		    WHERE o.account_id = q.account_id AND COALESCE(o.drop_id, l.product_id) = q.product_id AND o.state NOT IN ('rejected', 'expired', 'canceled', 'refunded')), 0)`,
		account), "quotas are what orders that are not dead have")
}

// hurry is a wait that takes no time, and counts.
func hurry(waited *time.Duration) func(p *app.Parts) {
	return func(p *app.Parts) {
		p.Wait = func(ctx context.Context, d time.Duration) error {
			*waited += d
			return ctx.Err()
		}
	}
}

// stored is the order as it was read, with its times in UTC.
func stored(d app.Details) app.Placement {
	o := d.Order
	o.CreatedAt, o.UpdatedAt = o.CreatedAt.UTC(), o.UpdatedAt.UTC()
	for _, at := range []**time.Time{&o.ExpiresAt, &o.AttendAt, &o.ClaimedAt} {
		if *at != nil {
			*at = new((*at).UTC())
		}
	}
	return app.Placement{Order: o}
}
