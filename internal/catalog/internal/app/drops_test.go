package app_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// revisions are those of drops' settings in this process: each later call has a later one.
var revisions atomic.Int64

// always is a window by the clock of any database.
var always = struct{ from, to time.Time }{
	time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC),
}

func setting(drop, product uuid.UUID, quantity int64) catalog.SetDropInput {
	return catalog.SetDropInput{DropID: drop, ProductID: product, Quantity: quantity, StartsAt: always.from, EndsAt: always.to, Revision: revisions.Add(1)}
}

// drop sets so many pieces of a product apart.
func (s *shop) drop(product uuid.UUID, quantity int64) uuid.UUID {
	s.t.Helper()
	drop := uuid.New()
	_, err := s.service().SetDrop(s.t.Context(), setting(drop, product, quantity))
	require.NoError(s.t, err)
	return drop
}

func (s *shop) reserveDrop(instance int, order, drop uuid.UUID, lines ...catalog.Line) (catalog.Reservation, error) {
	return s.instances[instance%2].Reserve(s.t.Context(), catalog.ReserveInput{OrderID: order, DropID: drop, Lines: lines})
}

func (s *shop) close(instance int, drop uuid.UUID) (catalog.Drop, error) {
	return s.instances[instance%2].CloseDrop(s.t.Context(), catalog.CloseDropInput{DropID: drop})
}

// stands is how a drop stands, without its window.
func (s *shop) stands(drop uuid.UUID) catalog.Drop {
	s.t.Helper()
	states, err := s.service().Drops(s.t.Context(), catalog.DropsInput{DropIDs: []uuid.UUID{drop}})
	require.NoError(s.t, err)
	require.Len(s.t, states.Items, 1)
	d := states.Items[0]
	d.StartsAt, d.EndsAt, d.Revision = time.Time{}, time.Time{}, 0
	return d
}

func (s *shop) availability(product uuid.UUID) catalog.Availability {
	s.t.Helper()
	offers, err := s.service().Offers(s.t.Context(), catalog.OffersInput{ProductIDs: []uuid.UUID{product}})
	require.NoError(s.t, err)
	return offers.Items[0].Availability
}

func TestSetDrop(t *testing.T) {
	t.Parallel()

	t.Run("TakesOfWhatIsLeft", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product, drop := s.product(100), uuid.New()
		_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 30})
		require.NoError(t, err)
		_, err = s.service().SetDrop(t.Context(), setting(drop, product, 71))
		require.ErrorIs(t, err, catalog.ErrOutOfStock)
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.drops`))

		in := setting(drop, product, 70)
		want := catalog.Drop{DropID: drop, ProductID: product, Quantity: 70, Left: 70, StartsAt: always.from, EndsAt: always.to, Revision: in.Revision}
		for i := range 3 { // a repeat changes nothing
			got, err := s.instances[i%2].SetDrop(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		states, err := s.service().Drops(t.Context(), catalog.DropsInput{DropIDs: []uuid.UUID{drop, uuid.New(), drop}})
		require.NoError(t, err)
		require.Equal(t, []catalog.Drop{want}, states.Items)
		require.Equal(t, stock{30, 30}, s.stock(product))
		require.Equal(t, stock{70, 0}, s.stock(drop))
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.stock_movements WHERE pool_id = $1 AND kind = 'set_aside' AND quantity = -70 AND drop_id = $2`, product, drop))
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.stock_movements WHERE pool_id = $1 AND kind = 'set_aside' AND quantity = 70 AND drop_id = $1`, drop))
		require.EqualValues(t, 2, s.count(`SELECT count(*) FROM catalog.stock_movements WHERE drop_id IS NOT NULL`))
		page, err := s.service().Movements(s.ctx, product, web.PageQuery{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Items, 2)
		require.Equal(t, "set_aside", page.Items[0].Kind)
		require.Equal(t, &drop, page.Items[0].DropID, "admins see for which drop")

		require.Equal(t, catalog.SoldOut, s.availability(product), "what is set aside is not for sale")
		require.NotZero(t, s.count(`SELECT count(*) FROM catalog.product_marks WHERE product_id = $1`, product), "and its document says so")
		_, err = s.reserve(1, uuid.New(), catalog.Line{ProductID: product, Quantity: 1})
		require.ErrorIs(t, err, catalog.ErrOutOfStock)

		_, err = s.service().SetDrop(t.Context(), setting(drop, product, 40))
		require.NoError(t, err)
		require.Equal(t, stock{60, 30}, s.stock(product))
		require.Equal(t, stock{40, 0}, s.stock(drop))
		require.EqualValues(t, 2, s.count(`SELECT count(*) FROM catalog.stock_movements WHERE kind = 'set_back'`))
		_, err = s.service().SetDrop(t.Context(), setting(drop, product, 71))
		require.ErrorIs(t, err, catalog.ErrOutOfStock)
		_, err = s.reserve(1, uuid.New(), catalog.Line{ProductID: product, Quantity: 30})
		require.NoError(t, err)
		s.sound()
	})

	t.Run("MovesItsWindow", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(5)
		drop := s.drop(product, 5)
		in := setting(drop, product, 5)
		in.StartsAt, in.EndsAt = always.from.Add(time.Hour).In(time.FixedZone("KST", 9*3600)), always.to.Add(1234*time.Nanosecond)
		got, err := s.service().SetDrop(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, always.from.Add(time.Hour), got.StartsAt)
		states, err := s.service().Drops(t.Context(), catalog.DropsInput{DropIDs: []uuid.UUID{drop}})
		require.NoError(t, err)
		require.Equal(t, []catalog.Drop{got}, states.Items, "what was told is what is kept")
	})

	t.Run("RefusesNonsense", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product, other := s.product(50), s.product(50)
		drop := s.drop(product, 10)
		for name, c := range map[string]struct {
			change func(in *catalog.SetDropInput)
			want   error
		}{
			"no id":             {func(in *catalog.SetDropInput) { in.DropID = uuid.Nil }, catalog.ErrBadDrop},
			"the product's id":  {func(in *catalog.SetDropInput) { in.DropID = product }, catalog.ErrBadDrop},
			"a product's id":    {func(in *catalog.SetDropInput) { in.DropID = other }, catalog.ErrBadDrop},
			"no revision":       {func(in *catalog.SetDropInput) { in.Revision = 0 }, catalog.ErrBadDrop},
			"no pieces":         {func(in *catalog.SetDropInput) { in.Quantity = 0 }, catalog.ErrBadDrop},
			"less than none":    {func(in *catalog.SetDropInput) { in.Quantity = -1 }, catalog.ErrBadDrop},
			"no window":         {func(in *catalog.SetDropInput) { in.EndsAt = in.StartsAt.Add(999 * time.Nanosecond) }, catalog.ErrBadDrop},
			"another product":   {func(in *catalog.SetDropInput) { in.ProductID = other }, catalog.ErrBadDrop},
			"no product":        {func(in *catalog.SetDropInput) { in.ProductID = uuid.New() }, catalog.ErrNoProduct},
			"a drop's product":  {func(in *catalog.SetDropInput) { in.DropID, in.ProductID = uuid.New(), drop }, catalog.ErrNoProduct},
			"more than was put": {func(in *catalog.SetDropInput) { in.Quantity = 1<<63 - 1 }, catalog.ErrOutOfStock},
		} {
			in := setting(drop, product, 11)
			c.change(&in)
			_, err := s.service().SetDrop(t.Context(), in)
			require.ErrorIs(t, err, c.want, name)
		}
		require.Equal(t, catalog.Drop{DropID: drop, ProductID: product, Quantity: 10, Left: 10}, s.stands(drop))
		_, err := s.service().Drops(t.Context(), catalog.DropsInput{DropIDs: make([]uuid.UUID, 201)})
		require.ErrorIs(t, err, catalog.ErrTooManyDrops)
		_, err = s.close(0, uuid.New())
		require.ErrorIs(t, err, catalog.ErrNoDrop)
		s.sound()
	})

	t.Run("NotToWhatItWasBefore", func(t *testing.T) { // by somebody who is slow
		t.Parallel()

		s := setup(t)
		product, drop := s.product(50), uuid.New()
		in := setting(drop, product, 10)
		in.Revision = 2
		for range 2 {
			got, err := s.service().SetDrop(t.Context(), in)
			require.NoError(t, err)
			require.EqualValues(t, 2, got.Revision)
		}
		for revision, quantity := range map[int64]int64{1: 10, 2: 11} {
			late := in
			late.Revision, late.Quantity = revision, quantity
			_, err := s.service().SetDrop(t.Context(), late)
			require.ErrorIs(t, err, catalog.ErrDropStale)
		}
		late := in
		late.EndsAt = in.EndsAt.Add(time.Hour)
		_, err := s.service().SetDrop(t.Context(), late)
		require.ErrorIs(t, err, catalog.ErrDropStale)
		require.EqualValues(t, 10, s.stands(drop).Quantity)
		s.sound()
	})

	t.Run("ManyTimesAtOnce", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		products := []uuid.UUID{s.product(100), s.product(100)}
		for _, drop := range []uuid.UUID{{1}, uuid.Max} { // locked before the products, and after them
			var made, refused atomic.Int64
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					in := setting(drop, products[i%2], 40)
					in.Revision = 1
					switch _, err := s.instances[i/2%2].SetDrop(t.Context(), in); {
					case err == nil:
						made.Add(1)
					case errors.Is(err, catalog.ErrBadDrop):
						refused.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 10, made.Load(), "all who named the product that came first")
			require.EqualValues(t, 10, refused.Load())
		}
		require.EqualValues(t, 80, s.count(`SELECT sum(on_hand) FROM catalog.pools WHERE drop_id IS NOT NULL`))
		require.EqualValues(t, 200, s.count(`SELECT sum(on_hand) FROM catalog.pools`))
		s.sound()
	})
}

func TestReserveDrop(t *testing.T) {
	t.Parallel()

	t.Run("GivesBackToTheDrop", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(20)
		drop := s.drop(product, 3)
		held, sold, returned := uuid.New(), uuid.New(), uuid.New()
		one := catalog.Line{ProductID: product, Quantity: 1}
		for i, order := range []uuid.UUID{held, sold, returned} {
			for range 2 {
				got, err := s.reserveDrop(i, order, drop, one)
				require.NoError(t, err)
				require.Equal(t, catalog.Reservation{OrderID: order, State: catalog.Held}, got)
			}
		}
		s.use(sold)
		s.use(returned)
		require.Equal(t, catalog.Drop{DropID: drop, ProductID: product, Quantity: 3, Sold: 2, Held: 1}, s.stands(drop))
		require.NoError(t, s.service().PublishChanges(t.Context()))
		require.EqualValues(t, 2, s.count(`SELECT sales_count FROM catalog.products WHERE id = $1`, product), "a drop's piece is one of the product's sales")

		got, err := s.service().Holds(t.Context(), catalog.HoldsInput{OrderIDs: []uuid.UUID{held}})
		require.NoError(t, err)
		require.Equal(t, []catalog.Hold{{OrderID: held, State: catalog.Held, Lines: []catalog.Line{one}}}, got.Items)
		open, err := s.service().OpenHolds(t.Context(), catalog.OpenHoldsInput{Limit: 10})
		require.NoError(t, err)
		require.Equal(t, got.Items, open.Items)

		marks := func() int64 { return s.count(`SELECT count(*) FROM catalog.product_marks`) }
		require.NoError(t, s.release(1, held))
		_, err = s.reserveDrop(0, uuid.New(), drop, one)
		require.NoError(t, err)
		require.Zero(t, marks(), "how much a drop has left is not how much the product has")
		require.Equal(t, catalog.Drop{DropID: drop, ProductID: product, Quantity: 3, Sold: 2, Held: 1}, s.stands(drop))
		for i, order := range []uuid.UUID{returned, held, returned} {
			require.NoError(t, s.release(i, order))
		}
		require.Equal(t, catalog.Drop{DropID: drop, ProductID: product, Quantity: 3, Sold: 1, Held: 1, Left: 1}, s.stands(drop))
		require.Equal(t, stock{17, 0}, s.stock(product))
		require.NoError(t, s.service().PublishChanges(t.Context()))
		require.EqualValues(t, 1, s.count(`SELECT sales_count FROM catalog.products WHERE id = $1`, product))
		_, err = s.reserveDrop(0, held, drop, one)
		require.ErrorIs(t, err, catalog.ErrReservationReleased)
		s.sound()
	})

	t.Run("OnlyWhileItIsOpen", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(10)
		drop, held := s.drop(product, 10), uuid.New()
		one := catalog.Line{ProductID: product, Quantity: 1}
		_, err := s.reserveDrop(0, held, drop, one)
		require.NoError(t, err)
		now := time.Now() // the shop's own clock stands still, long before
		for name, window := range map[string][2]time.Time{
			"not yet":  {now.Add(time.Minute), now.Add(time.Hour)},
			"no more":  {now.Add(-time.Hour), now.Add(-time.Minute)},
			"not then": {opened.Add(-time.Hour), opened.Add(time.Hour)},
		} {
			in := setting(drop, product, 10)
			in.StartsAt, in.EndsAt = window[0], window[1]
			_, err := s.service().SetDrop(t.Context(), in)
			require.NoError(t, err)
			_, err = s.reserveDrop(1, uuid.New(), drop, one)
			require.ErrorIs(t, err, catalog.ErrDropNotOpen, name)
			got, err := s.reserveDrop(1, held, drop, one)
			require.NoError(t, err, "who has it, has it")
			require.Equal(t, catalog.Held, got.State)
		}
		require.Equal(t, stock{10, 1}, s.stock(drop))
		s.sound()
	})

	// The flight has begun before the drop ends, and has its lock after that.
	t.Run("NotByWhenItWasAskedFor", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(10)
		drop := s.drop(product, 10)
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
		_, err = tx.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 0`)
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `SELECT FROM catalog.pools WHERE id = $1 FOR UPDATE`, drop)
		require.NoError(t, err)
		errs := make(chan error, 1)
		go func() {
			_, err := s.reserveDrop(0, uuid.New(), drop, catalog.Line{ProductID: product, Quantity: 1})
			errs <- err
		}()
		await(t, "the flight waits for the pool", func() bool {
			return s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
		})
		_, err = tx.Exec(t.Context(), `UPDATE catalog.drops SET ends_at = clock_timestamp()`)
		require.NoError(t, err)
		require.NoError(t, tx.Commit(t.Context()))
		require.ErrorIs(t, <-errs, catalog.ErrDropNotOpen)
		require.Equal(t, stock{10, 0}, s.stock(drop))
	})

	t.Run("RefusesNonsense", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product, other := s.product(20), s.product(20)
		drop := s.drop(product, 5)
		mine, its := catalog.Line{ProductID: product, Quantity: 1}, catalog.Line{ProductID: other, Quantity: 1}
		for name, c := range map[string]struct {
			drop  uuid.UUID
			lines []catalog.Line
			want  error
		}{
			"two products":      {drop, []catalog.Line{mine, its}, catalog.ErrBadLines},
			"another product":   {drop, []catalog.Line{its}, catalog.ErrBadLines},
			"no lines":          {drop, nil, catalog.ErrBadLines},
			"no drop":           {uuid.New(), []catalog.Line{mine}, catalog.ErrNoDrop},
			"a product":         {product, []catalog.Line{mine}, catalog.ErrNoDrop},
			"a drop as product": {uuid.Nil, []catalog.Line{{ProductID: drop, Quantity: 1}}, catalog.ErrOutOfStock},
			"both":              {drop, []catalog.Line{{ProductID: drop, Quantity: 1}}, catalog.ErrBadLines},
			"too many":          {drop, []catalog.Line{{ProductID: product, Quantity: 6}}, catalog.ErrOutOfStock},
		} {
			_, err := s.reserveDrop(0, uuid.New(), c.drop, c.lines...)
			require.ErrorIs(t, err, c.want, name)
		}
		_, err := s.service().Check(t.Context(), catalog.CheckInput{DropID: drop, Lines: []catalog.Line{mine, its}})
		require.ErrorIs(t, err, catalog.ErrBadLines)
		_, _, err = s.tryMove(s.ctx, drop, "receive", 1)
		require.ErrorIs(t, err, catalog.ErrNoProduct, "a drop's pool is not a product's")
		require.Equal(t, stock{5, 0}, s.stock(drop))
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.reservations`))

		// In one flight, and in either order, each is told its own.
		ordinary := catalog.ReserveInput{OrderID: uuid.New(), Lines: []catalog.Line{{ProductID: drop, Quantity: 1}}}
		for _, order := range []catalog.ReserveInput{{DropID: drop, Lines: []catalog.Line{mine}}, {DropID: drop, Lines: []catalog.Line{mine}}} {
			order.OrderID = uuid.New()
			errs, err := s.service().ReserveTogether(t.Context(), ordinary, order)
			require.NoError(t, err)
			require.ErrorIs(t, errs[0], catalog.ErrOutOfStock)
			require.NoError(t, errs[1])
		}
		s.sound()
	})

	t.Run("SoldOutIsRemembered", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(5)
		drop := s.drop(product, 2)
		check := func(instance int, drop uuid.UUID) error {
			_, err := s.instances[instance].Check(t.Context(), catalog.CheckInput{DropID: drop, Lines: []catalog.Line{{ProductID: product, Quantity: 1}}})
			return err
		}
		require.NoError(t, check(0, drop))
		order := uuid.New()
		_, err := s.reserveDrop(0, order, drop, catalog.Line{ProductID: product, Quantity: 2})
		require.NoError(t, err)
		require.ErrorIs(t, check(0, drop), catalog.ErrOutOfStock)
		f, _ := fault.As(check(0, drop))
		require.Equal(t, []fault.Field{{Pointer: "/items/0", Detail: product.String() + ": sold_out"}}, f.Fields)
		require.NoError(t, check(0, uuid.Nil), "general stock is another thing")
		require.NoError(t, check(1, drop), "nothing is certain where nothing was seen")
		require.NoError(t, s.release(0, order))
		require.NoError(t, check(0, drop), "what comes back here is on sale at once")

		order = uuid.New()
		_, err = s.reserveDrop(0, order, drop, catalog.Line{ProductID: product, Quantity: 2})
		require.NoError(t, err)
		require.NoError(t, s.release(1, order))
		require.ErrorIs(t, check(0, drop), catalog.ErrOutOfStock)
		s.clock.Advance(time.Second)
		require.NoError(t, check(0, drop), "and what comes back elsewhere within a second")

		_, err = s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 3})
		require.NoError(t, err)
		require.ErrorIs(t, check(0, uuid.Nil), catalog.ErrOutOfStock)
		_, err = s.close(0, drop)
		require.NoError(t, err)
		require.NoError(t, check(0, uuid.Nil), "so is what a drop gives back when it is closed")
	})
}

func TestCloseDrop(t *testing.T) {
	t.Parallel()

	t.Run("GivesBackWhatIsLeftAndWhatComesBack", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(20)
		drop := s.drop(product, 20)
		require.Equal(t, catalog.SoldOut, s.availability(product))
		held, sold, returned, late := uuid.New(), uuid.New(), uuid.New(), uuid.New()
		two := catalog.Line{ProductID: product, Quantity: 2}
		for i, order := range []uuid.UUID{held, sold, returned, late} {
			_, err := s.reserveDrop(i, order, drop, two)
			require.NoError(t, err)
		}
		s.use(sold)
		s.use(returned)
		require.NoError(t, s.service().PublishChanges(t.Context()))
		for i := range 3 { // once is enough
			got, err := s.close(i, drop)
			require.NoError(t, err)
			got.StartsAt, got.EndsAt, got.Revision = time.Time{}, time.Time{}, 0
			require.Equal(t, catalog.Drop{DropID: drop, ProductID: product, Quantity: 20, Sold: 4, Held: 4, Closed: true}, got)
			require.Equal(t, got, s.stands(drop))
		}
		require.Equal(t, stock{12, 0}, s.stock(product))
		require.Equal(t, stock{4, 4}, s.stock(drop))
		require.NotZero(t, s.count(`SELECT count(*) FROM catalog.product_marks`), "it can be had again")
		s.sound()

		_, err := s.reserveDrop(0, uuid.New(), drop, two)
		require.ErrorIs(t, err, catalog.ErrDropClosed)
		_, err = s.service().SetDrop(t.Context(), setting(drop, product, 20))
		require.ErrorIs(t, err, catalog.ErrDropClosed)
		got, err := s.reserveDrop(0, held, drop, two)
		require.NoError(t, err)
		require.Equal(t, catalog.Held, got.State)

		for i, order := range []uuid.UUID{held, held, returned, returned} {
			require.NoError(t, s.release(i, order))
			require.Equal(t, stock{14 + 2*int64(i/2), 0}, s.stock(product))
		}
		require.Equal(t, catalog.Drop{DropID: drop, ProductID: product, Quantity: 20, Sold: 2, Held: 2, Closed: true}, s.stands(drop))
		s.use(late)
		require.Equal(t, catalog.Drop{DropID: drop, ProductID: product, Quantity: 20, Sold: 4, Closed: true}, s.stands(drop))
		require.Equal(t, stock{0, 0}, s.stock(drop))
		require.NoError(t, s.service().PublishChanges(t.Context()))
		require.EqualValues(t, 4, s.count(`SELECT sales_count FROM catalog.products WHERE id = $1`, product))
		s.sound()
	})

	t.Run("WhatComesBackLaterIsOnSale", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		for _, used := range []bool{true, false} {
			product, order := s.product(20), uuid.New()
			drop, line := s.drop(product, 20), catalog.Line{ProductID: product, Quantity: 20}
			_, err := s.reserveDrop(0, order, drop, line)
			require.NoError(t, err)
			if used {
				s.use(order)
			}
			_, err = s.close(0, drop)
			require.NoError(t, err)
			require.NoError(t, s.service().PublishChanges(t.Context()))
			_, err = s.service().Check(t.Context(), catalog.CheckInput{Lines: []catalog.Line{line}})
			require.ErrorIs(t, err, catalog.ErrOutOfStock)

			require.NoError(t, s.release(0, order))
			_, err = s.service().Check(t.Context(), catalog.CheckInput{Lines: []catalog.Line{line}})
			require.NoError(t, err)
			require.Equal(t, catalog.InStock, s.availability(product))
			require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.product_marks WHERE product_id = $1`, product), "and its document says so")
		}
		s.sound()
	})

	t.Run("AgainstAllElse", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		for _, early := range []bool{true, false} {
			product := s.product(300)
			drop := uuid.Max
			if early {
				drop = uuid.UUID{1}
			}
			_, err := s.service().SetDrop(t.Context(), setting(drop, product, 100))
			require.NoError(t, err)
			orders := make([]uuid.UUID, 150)
			for i := range orders {
				orders[i] = uuid.New()
			}
			var wg sync.WaitGroup
			for i, order := range orders {
				wg.Go(func() {
					from := drop
					if i%3 == 0 {
						from = uuid.Nil
					}
					_, err := s.reserveDrop(i, order, from, catalog.Line{ProductID: product, Quantity: 1})
					if err == nil && i%2 == 0 {
						err = s.tryHear(t.Context(), paid, order)
					}
					if err != nil && !errors.Is(err, catalog.ErrOutOfStock) && !errors.Is(err, catalog.ErrDropClosed) && !errors.Is(err, catalog.ErrReservationReleased) {
						t.Error(err)
					}
				})
				if i%4 < 2 {
					wg.Go(func() {
						if err := s.release(i, order); err != nil {
							t.Error(err)
						}
					})
				}
				if i%30 == 29 {
					wg.Go(func() {
						_, err := s.instances[i%2].SetDrop(t.Context(), setting(drop, product, 100+int64(i)))
						if err != nil && !errors.Is(err, catalog.ErrOutOfStock) && !errors.Is(err, catalog.ErrDropClosed) && !errors.Is(err, catalog.ErrDropStale) {
							t.Error(err)
						}
					})
				}
				if i >= 100 && i%20 == 0 {
					wg.Go(func() {
						if _, err := s.close(i/20, drop); err != nil {
							t.Error(err)
						}
					})
				}
			}
			wg.Wait()
			require.NoError(t, s.service().Settle(t.Context()))
			s.sound()
			d := s.stands(drop)
			require.Zero(t, d.Left)
			sold := -s.count(`SELECT coalesce(sum(quantity), 0)::bigint FROM catalog.stock_movements WHERE kind IN ('sell', 'restock') AND pool_id IN ($1, $2)`, product, drop)
			require.Equal(t, 300-sold, s.stock(product).onHand+s.stock(drop).onHand, "pieces are neither made nor lost")
			for i, order := range orders {
				require.NoError(t, s.release(i, order))
			}
			require.Equal(t, stock{300, 0}, s.stock(product))
			require.Equal(t, stock{0, 0}, s.stock(drop))
			s.sound()
		}
	})
}
