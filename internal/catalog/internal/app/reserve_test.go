package app_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestReserve(t *testing.T) {
	t.Parallel()

	// medusa#16569, saleor#543, vendure#1738 (T1, T20): concurrent reservations take more than there is.
	t.Run("NeverOversells", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(100)
		var held, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				switch _, err := s.reserve(i, uuid.New(), catalog.Line{ProductID: product, Quantity: 1}); {
				case err == nil:
					held.Add(1)
				case errors.Is(err, catalog.ErrOutOfStock):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()

		require.EqualValues(t, 100, held.Load())
		require.EqualValues(t, 200, refused.Load())
		require.Equal(t, stock{100, 100}, s.stock(product))
		require.EqualValues(t, 100, s.count(`SELECT count(*) FROM catalog.reservations`), "refusals leave no row")
		s.books()
	})

	// magento2#39417, original 30 (T25): orders are lost to deadlocks when baskets name the same goods in another order.
	t.Run("MixedBasketsInOppositeOrder", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		products := []uuid.UUID{s.product(100), s.product(100), s.product(100)}
		var held [3]atomic.Int64
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				a, b := i%3, (i+1)%3
				if i%2 == 0 {
					a, b = b, a
				}
				_, err := s.reserve(i/2, uuid.New(), catalog.Line{ProductID: products[a], Quantity: 1}, catalog.Line{ProductID: products[b], Quantity: 2})
				switch {
				case err == nil:
					held[a].Add(1)
					held[b].Add(2)
				case !errors.Is(err, catalog.ErrOutOfStock):
					t.Error(err)
				}
			})
		}
		wg.Wait()

		exhausted := 0
		for i, p := range products {
			require.Equal(t, stock{100, held[i].Load()}, s.stock(p))
			if held[i].Load() >= 99 {
				exhausted++
			}
		}
		require.GreaterOrEqual(t, exhausted, 2, "no two goods are left that a refused basket had asked for")
		s.books()
	})

	// original 29: what came before the line that could not be had stayed taken.
	t.Run("AllLinesOrNone", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		plenty, few, none := s.product(50), s.product(3), s.product(0)
		unknown := uuid.New()
		_, err := s.reserve(0, uuid.New(),
			catalog.Line{ProductID: plenty, Quantity: 1}, catalog.Line{ProductID: few, Quantity: 4},
			catalog.Line{ProductID: none, Quantity: 1}, catalog.Line{ProductID: unknown, Quantity: 1})
		require.ErrorIs(t, err, catalog.ErrOutOfStock)
		f, _ := fault.As(err)
		require.Equal(t, []fault.Field{
			{Pointer: "/items/1", Detail: few.String() + ": low"},
			{Pointer: "/items/2", Detail: none.String() + ": sold_out"},
			{Pointer: "/items/3", Detail: unknown.String() + ": sold_out"},
		}, f.Fields)
		require.Equal(t, stock{50, 0}, s.stock(plenty))
		require.Equal(t, stock{3, 0}, s.stock(few))
		s.books()
	})

	// medusa#16502 (T2): two lines of one product, each checked against what the other had not taken yet.
	t.Run("SameProductTwice", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(5)
		twice := []catalog.Line{{ProductID: product, Quantity: 3}, {ProductID: product, Quantity: 3}}
		_, err := s.reserve(0, uuid.New(), twice...)
		require.ErrorIs(t, err, catalog.ErrOutOfStock)
		f, _ := fault.As(err)
		require.Len(t, f.Fields, 2, "both lines are named")
		require.Equal(t, stock{5, 0}, s.stock(product))

		order := uuid.New()
		_, err = s.reserve(0, order, catalog.Line{ProductID: product, Quantity: 3}, catalog.Line{ProductID: product, Quantity: 2})
		require.NoError(t, err)
		require.Equal(t, stock{5, 5}, s.stock(product))
		s.books()
	})

	// woocommerce#67354, PR#25089, #26395 (T26): a shopper who tries again is kept out by the hold that is his own.
	t.Run("RepeatUsesItsOwnHold", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		order := uuid.New()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				r, err := s.reserve(i, order, catalog.Line{ProductID: product, Quantity: 1})
				if err != nil || r != (catalog.Reservation{OrderID: order, State: catalog.Held}) {
					t.Errorf("%v, %v", r, err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, stock{1, 1}, s.stock(product))

		s.use(order)
		r, err := s.reserve(0, order, catalog.Line{ProductID: product, Quantity: 1})
		require.NoError(t, err)
		require.Equal(t, catalog.Used, r.State)
		s.books()
	})

	t.Run("AfterReleaseIsRefused", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(10)
		line := catalog.Line{ProductID: product, Quantity: 1}
		early, late := uuid.New(), uuid.New()
		err := s.release(0, early) // nothing held yet
		require.NoError(t, err)
		_, err = s.reserve(0, late, line)
		require.NoError(t, err)
		err = s.release(1, late)
		require.NoError(t, err)
		for _, order := range []uuid.UUID{early, late} {
			_, err := s.reserve(1, order, line)
			require.ErrorIs(t, err, catalog.ErrReservationReleased)
		}
		require.Equal(t, stock{10, 0}, s.stock(product))
		s.books()
	})

	// The release commits after the flight has looked the order up, and before it writes.
	t.Run("OvertakenByItsRelease", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(10)
		overtaken, other := uuid.New(), uuid.New()
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
		_, err = tx.Exec(t.Context(), `INSERT INTO catalog.reservations VALUES ($1, 'released', now(), now())`, overtaken)
		require.NoError(t, err)
		errs := make([]error, 2)
		var wg sync.WaitGroup
		wg.Go(func() { _, errs[0] = s.reserve(0, overtaken, catalog.Line{ProductID: product, Quantity: 1}) })
		await(t, "the flight waits for the release", func() bool {
			return s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
		})
		wg.Go(func() { _, errs[1] = s.reserve(0, other, catalog.Line{ProductID: product, Quantity: 1}) })
		require.NoError(t, tx.Commit(t.Context()))
		wg.Wait()
		require.ErrorIs(t, errs[0], catalog.ErrReservationReleased)
		require.NoError(t, errs[1])
		require.Equal(t, stock{10, 1}, s.stock(product))
		s.books()
	})

	// Who is refused because of an order that turns out to have been given up is asked again, and gets what is there after all.
	t.Run("RefusedForAnOvertakenOrder", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1)
		overtaken, other := uuid.New(), uuid.New()
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
		_, err = tx.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 0`)
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `INSERT INTO catalog.reservations VALUES ($1, 'released', now(), now())`, overtaken)
		require.NoError(t, err)
		var errs []error
		var wg sync.WaitGroup
		wg.Go(func() {
			line := []catalog.Line{{ProductID: product, Quantity: 1}}
			errs, err = s.service().ReserveTogether(t.Context(), catalog.ReserveInput{OrderID: overtaken, Lines: line}, catalog.ReserveInput{OrderID: other, Lines: line})
		})
		await(t, "the flight waits for the release", func() bool {
			return s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
		})
		require.NoError(t, tx.Commit(t.Context()))
		wg.Wait()
		require.NoError(t, err)
		require.ErrorIs(t, errs[0], catalog.ErrReservationReleased)
		require.NoError(t, errs[1])
		require.Equal(t, stock{1, 1}, s.stock(product))
		s.books()
	})

	t.Run("AgainstItsRelease", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1000)
		var wg sync.WaitGroup
		orders := make([]uuid.UUID, 150)
		for i := range orders {
			orders[i] = uuid.New()
			wg.Go(func() {
				if _, err := s.reserve(i, orders[i], catalog.Line{ProductID: product, Quantity: 1}); err != nil && !errors.Is(err, catalog.ErrReservationReleased) {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := s.release(i+1, orders[i]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, stock{1000, 0}, s.stock(product))
		require.EqualValues(t, len(orders), s.count(`SELECT count(*) FROM catalog.reservations WHERE state = 'released'`))
		for i, order := range orders {
			_, err := s.reserve(i, order, catalog.Line{ProductID: product, Quantity: 1})
			require.ErrorIs(t, err, catalog.ErrReservationReleased)
		}
		s.books()
	})

	// original 31, 37: quantities below zero raised the stock.
	t.Run("RefusesNonsense", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(10)
		for _, lines := range [][]catalog.Line{
			nil,
			{{ProductID: product}},
			{{ProductID: product, Quantity: -1}},
			{{ProductID: product, Quantity: 1<<63 - 1}, {ProductID: product, Quantity: 1}},
			make([]catalog.Line, 201),
		} {
			_, err := s.reserve(0, uuid.New(), lines...)
			require.ErrorIs(t, err, catalog.ErrBadLines)
			_, err = s.service().Check(t.Context(), catalog.CheckInput{Lines: lines})
			require.ErrorIs(t, err, catalog.ErrBadLines)
		}
		require.Equal(t, stock{10, 0}, s.stock(product))
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()

	s := setup(t)
	product := s.product(2)
	one := catalog.CheckInput{Lines: []catalog.Line{{ProductID: product, Quantity: 1}}}
	check := func() error {
		_, err := s.service().Check(t.Context(), one)
		return err
	}
	require.NoError(t, check())
	order := uuid.New()
	_, err := s.reserve(0, order, catalog.Line{ProductID: product, Quantity: 2})
	require.NoError(t, err)
	require.ErrorIs(t, check(), catalog.ErrOutOfStock, "it was just seen to be sold out")
	f, _ := fault.As(check())
	require.Equal(t, []fault.Field{{Pointer: "/items/0", Detail: product.String() + ": sold_out"}}, f.Fields)

	s.clock.Advance(999e6)
	require.ErrorIs(t, check(), catalog.ErrOutOfStock)
	s.clock.Advance(1e6)
	require.NoError(t, check(), "a second later nothing is certain")

	_, err = s.reserve(0, uuid.New(), one.Lines...)
	require.ErrorIs(t, err, catalog.ErrOutOfStock)
	require.ErrorIs(t, check(), catalog.ErrOutOfStock)
	err = s.release(0, order)
	require.NoError(t, err)
	require.NoError(t, check(), "stock that comes back here is on sale at once")

	_, err = s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 2})
	require.NoError(t, err)
	require.ErrorIs(t, check(), catalog.ErrOutOfStock)
	s.move(product, "receive", 1)
	require.NoError(t, check())
}

// What another instance takes back, or takes in, is on sale here within a second.
func TestCheckSeesOtherInstances(t *testing.T) {
	t.Parallel()

	for name, back := range map[string]func(t *testing.T, s *shop, product, order, drop uuid.UUID){
		"ARelease": func(t *testing.T, s *shop, _, order, _ uuid.UUID) { require.NoError(t, s.release(1, order)) },
		"AMovement": func(t *testing.T, s *shop, product, _, _ uuid.UUID) {
			_, _, err := s.instances[1].Move(s.ctx, s.moving(product, "receive", 1, uuid.NewString()))
			require.NoError(t, err)
		},
		"ADropThatGivesBack": func(t *testing.T, s *shop, _, _, drop uuid.UUID) {
			_, err := s.close(1, drop)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			product, order, drop := s.product(2), uuid.New(), uuid.New()
			_, err := s.instances[1].SetDrop(t.Context(), setting(drop, product, 1))
			require.NoError(t, err)
			one := catalog.Line{ProductID: product, Quantity: 1}
			_, err = s.reserve(0, order, one)
			require.NoError(t, err)
			check := func() error {
				_, err := s.service().Check(t.Context(), catalog.CheckInput{Lines: []catalog.Line{one}})
				return err
			}
			back(t, s, product, order, drop)
			require.ErrorIs(t, check(), catalog.ErrOutOfStock, "it is not known here yet")
			s.clock.Advance(time.Second)
			require.NoError(t, check())
			_, err = s.reserve(0, uuid.New(), one)
			require.NoError(t, err)
			require.ErrorIs(t, check(), catalog.ErrOutOfStock)
		})
	}
}

// late holds up whoever has sent what it is to hold up, after the answer.
type late struct {
	watch
	what string
	hold func()
}

type lateKey struct{}

func (l late) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	if slices.ContainsFunc(d.Batch.QueuedQueries, func(q *pgx.QueuedQuery) bool { return strings.Contains(q.SQL, l.what) }) {
		return context.WithValue(ctx, lateKey{}, true)
	}
	return ctx
}

func (l late) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
	if ctx.Value(lateKey{}) != nil {
		l.hold()
	}
}

// A flight that took the last piece has committed, and has not noted it, when an order gives one back and that is noted.
func TestCheckForgetsWhatWasBefore(t *testing.T) {
	t.Parallel()

	committed, noted := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "catalog", Tracer: late{
		watch: watch{func(string) {}}, what: "name: Reserve ", hold: func() {
			if armed.CompareAndSwap(true, false) {
				close(committed)
				<-noted
			}
		},
	}})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s := setupOn(t, pool)
	product, order := s.product(2), uuid.New()
	one := catalog.Line{ProductID: product, Quantity: 1}
	_, err = s.reserve(0, order, one)
	require.NoError(t, err)
	armed.Store(true)
	errs := make(chan error, 1)
	go func() {
		_, err := s.reserve(0, uuid.New(), one)
		errs <- err
	}()
	<-committed
	require.NoError(t, s.release(0, order))
	close(noted)
	require.NoError(t, <-errs)
	_, err = s.service().Check(t.Context(), catalog.CheckInput{Lines: []catalog.Line{one}})
	require.NoError(t, err, "what came back here is on sale at once")
}
