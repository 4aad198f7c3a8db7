package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var opened = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// shop is two instances of the module on one database.
type shop struct {
	t         testing.TB
	ctx       context.Context // a manager's
	pool      *pgxpool.Pool
	clock     *clock.Manual
	parts     app.Parts
	instances [2]*app.Service
	feed      *app.Feed
	blobs     *blob.Store
	category  uuid.UUID
}

func setup(t testing.TB) *shop {
	t.Helper()
	return setupOn(t, pgtest.New(t, "catalog"))
}

// owned is a shop whose tables the test may break.
func owned(t testing.TB) *shop {
	t.Helper()
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "catalog"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return setupOn(t, pool)
}

func setupOn(t testing.TB, pool *pgxpool.Pool) *shop {
	t.Helper()
	return setupWith(t, pool, func() app.Trees { return memory.NewTrees(clock.System, time.Second) })
}

// setupWith is a shop whose instances keep the tree of categories there.
func setupWith(t testing.TB, pool *pgxpool.Pool, trees func() app.Trees) *shop {
	t.Helper()
	s := &shop{t: t, pool: pool, clock: clock.NewManual(opened)}
	s.ctx = auth.With(t.Context(), auth.Principal{AccountID: uuid.New(), SessionID: uuid.New(), Role: auth.Manager})
	log := slog.New(slog.DiscardHandler)
	index := memory.New()
	blobs, err := blob.Open(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, blobs.Close()) })
	s.blobs = blobs
	s.feed = app.NewFeed(s.pool, index, log)
	c := clock.Clock(s.clock.Now)
	s.parts = app.Parts{
		Pool: s.pool, Outbox: outbox.New("catalog", c), Audit: audit.New("catalog", c), Clock: c, Log: log, Index: app.NewGate(index, s.feed), Blobs: s.blobs,
	}
	for i := range s.instances {
		s.instances[i] = s.instance(func(p *app.Parts) { p.Trees = trees() })
	}
	made, err := s.instances[0].CreateCategory(s.ctx, app.CategoryFields{Slug: "goods", Name: "상품", NameEn: "Goods"})
	require.NoError(t, err)
	s.category = made.ID
	return s
}

// instance is one more of them, with other parts.
func (s *shop) instance(change func(*app.Parts)) *app.Service {
	s.t.Helper()
	parts := s.parts
	parts.Trees = memory.NewTrees(clock.System, time.Second)
	change(&parts)
	made, err := app.NewService(parts)
	require.NoError(s.t, err)
	s.t.Cleanup(made.Close)
	return made
}

func (s *shop) service() *app.Service { return s.instances[0] }

func fields(s *shop, name string) app.Fields {
	return app.Fields{
		CategoryID: s.category, Name: name, NameEn: "Nike Running Sneakers", Brand: "나이키", Color: "블랙", Size: "270",
		ListPriceWon: 129_000, PriceWon: 99_900, Description: "가볍고 튼튼합니다. An everyday shoe.", Tags: []string{"신발", "러닝"},
	}
}

// product puts up a product with so many pieces.
func (s *shop) product(stock int64) uuid.UUID {
	s.t.Helper()
	p, err := s.service().CreateProduct(s.ctx, fields(s, "나이키 러닝 운동화"))
	require.NoError(s.t, err)
	_, err = s.service().ActOnProduct(s.ctx, p.ID, "publish", "")
	require.NoError(s.t, err)
	if stock > 0 {
		s.move(p.ID, "receive", stock)
	}
	return p.ID
}

func (s *shop) move(product uuid.UUID, kind string, quantity int64) {
	s.t.Helper()
	_, _, err := s.tryMove(s.ctx, product, kind, quantity)
	require.NoError(s.t, err)
}

func (s *shop) tryMove(ctx context.Context, product uuid.UUID, kind string, quantity int64) (app.Movement, bool, error) {
	return s.service().Move(ctx, s.moving(product, kind, quantity, uuid.NewString()))
}

func (s *shop) moving(product uuid.UUID, kind string, quantity int64, key string) app.MoveInput {
	return app.MoveInput{ProductID: product, Kind: kind, Quantity: quantity, Reason: "test", Key: idempotency.Of(key, product.String(), quantity)}
}

func (s *shop) reserve(instance int, order uuid.UUID, lines ...catalog.Line) (catalog.Reservation, error) {
	return s.instances[instance%2].Reserve(s.t.Context(), catalog.ReserveInput{OrderID: order, Lines: lines})
}

// release says that the order was canceled, and settles.
func (s *shop) release(instance int, order uuid.UUID) error {
	if err := s.tryHear(s.t.Context(), canceled, order); err != nil {
		return err
	}
	return s.instances[instance%2].Settle(s.t.Context())
}

// hear hands an event of the order to its handler, as the bus does.
func (s *shop) hear(event string, order uuid.UUID) error {
	s.t.Helper()
	return s.tryHear(s.t.Context(), event, order)
}

func (s *shop) tryHear(ctx context.Context, event string, order uuid.UUID) error {
	for _, sub := range app.Subscriptions(s.service()) {
		if sub.Type == event {
			return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
				return sub.Handle(ctx, tx, bus.Envelope{Type: event, Key: order, Data: []byte(fmt.Sprintf(`{"order_id":%q}`, order))})
			})
		}
	}
	return fmt.Errorf("nobody hears %s", event)
}

var (
	paid     = ordering.Paid{}.EventType()
	rejected = ordering.Rejected{}.EventType()
	expired  = ordering.Expired{}.EventType()
	canceled = ordering.Canceled{}.EventType()
)

// use says that the order was paid, and settles.
func (s *shop) use(order uuid.UUID) {
	s.t.Helper()
	require.NoError(s.t, s.hear(paid, order))
	require.NoError(s.t, s.service().Settle(s.t.Context()))
}

type stock struct{ onHand, reserved int64 }

func (s *shop) stock(product uuid.UUID) stock {
	s.t.Helper()
	var got stock
	err := s.pool.QueryRow(s.t.Context(), `SELECT on_hand, reserved FROM catalog.pools WHERE id = $1`, product).Scan(&got.onHand, &got.reserved)
	require.NoError(s.t, err)
	return got
}

func (s *shop) count(query string, args ...any) int64 {
	s.t.Helper()
	var n int64
	require.NoError(s.t, s.pool.QueryRow(s.t.Context(), query, args...).Scan(&n))
	return n
}

// books fails the test unless the ledger and the holds add up to the pools.
func (s *shop) books() {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `
		SELECT p.id, p.on_hand, p.reserved,
		       coalesce((SELECT sum(m.quantity) FROM catalog.stock_movements m WHERE m.pool_id = p.id), 0)::bigint,
		       coalesce((SELECT sum(l.quantity) FROM catalog.reservation_lines l JOIN catalog.reservations r USING (order_id)
		                 WHERE l.pool_id = p.id AND r.state = 'held'), 0)::bigint
		FROM catalog.pools p`)
	require.NoError(s.t, err)
	var id uuid.UUID
	var onHand, reserved, moved, held int64
	_, err = pgx.ForEachRow(rows, []any{&id, &onHand, &reserved, &moved, &held}, func() error {
		if onHand != moved || reserved != held || reserved < 0 || onHand < reserved {
			return fmt.Errorf("pool %s: on hand %d, moved %d; reserved %d, held %d", id, onHand, moved, reserved, held)
		}
		return nil
	})
	require.NoError(s.t, err)
}

// await polls until ok holds.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(time.Minute), time.NewTicker(2*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("waited too long until %s", what)
		case <-tick.C:
		}
	}
}
