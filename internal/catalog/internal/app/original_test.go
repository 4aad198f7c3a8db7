package app_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/platform/web"
)

// original 28: a lock was a lease of three seconds. A process that hung for longer went on without it, and wrote over what another
// one had written. Here the lock is the session's: who hangs loses both, and finds that out before anything is written.
func TestAHungInstance(t *testing.T) {
	t.Parallel()

	hang, went := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	hung := watched(t, func(sql string) {
		if strings.Contains(sql, "name: Reserve ") && first.CompareAndSwap(false, true) { // it knows what is left, and is about to write
			close(hang)
			<-went
		}
	})
	product := hung.product(1)
	line := catalog.Line{ProductID: product, Quantity: 1}
	errs := make(chan error, 1)
	go func() {
		_, err := hung.reserve(0, uuid.New(), line)
		errs <- err
	}()
	<-hang
	// The other one waits for the lock until the server has ended the hung session, which takes two seconds.
	_, err := hung.reserve(1, uuid.New(), line)
	require.NoError(t, err)
	close(went)
	require.ErrorIs(t, <-errs, catalog.ErrOutOfStock)
	require.Equal(t, stock{1, 1}, hung.stock(product))
	hung.sound()
}

// original 29: of several products the first was taken, and stayed so, when the second could not be.
func TestAFailureHalfWay(t *testing.T) {
	t.Parallel()

	fail := func(what string) string {
		return `
			CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '23514'; END $$;
			CREATE ` + what + ` EXECUTE FUNCTION public.fail()`
	}
	for name, sql := range map[string]string{
		"AtTheSecondLine": fail(`TRIGGER fail BEFORE INSERT ON catalog.reservation_lines FOR EACH ROW WHEN (NEW.quantity = 2)`),
		"AtThePools":      fail(`TRIGGER fail AFTER UPDATE ON catalog.pools FOR EACH STATEMENT`),
		// one-stop-project#280 (T30): what was taken before the commit stayed taken when the commit failed.
		"AtTheCommit": fail(`CONSTRAINT TRIGGER fail AFTER INSERT ON catalog.reservations DEFERRABLE INITIALLY DEFERRED FOR EACH ROW`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t)
			a, b := s.product(5), s.product(5)
			order, lines := uuid.New(), []catalog.Line{{ProductID: a, Quantity: 1}, {ProductID: b, Quantity: 2}}
			s.exec(sql)
			_, err := s.reserve(0, order, lines...)
			require.ErrorContains(t, err, "planted")
			require.Equal(t, stock{5, 0}, s.stock(a))
			require.Equal(t, stock{5, 0}, s.stock(b))
			require.Zero(t, s.count(`SELECT count(*) FROM catalog.reservations`))
			_, err = s.service().Check(t.Context(), catalog.CheckInput{Lines: []catalog.Line{{ProductID: a, Quantity: 5}}})
			require.NoError(t, err, "nothing is remembered as taken")

			s.exec(`DROP FUNCTION public.fail CASCADE`)
			_, err = s.reserve(1, order, lines...)
			require.NoError(t, err)
			s.sound()
		})
	}
}

// original 31: an admin's edit wrote the whole row without the lock, so that the stock became what it had been; quantities below zero
// were accepted (see RefusesNonsense), and giving back had no order's id, so that it could be done twice.
func TestEditsLoseNoStock(t *testing.T) {
	t.Parallel()

	s := setup(t)
	product := s.product(500)
	var wg sync.WaitGroup
	var moved atomic.Int64
	orders := make([]uuid.UUID, 100)
	for i := range orders {
		orders[i] = uuid.New()
		wg.Go(func() {
			if _, err := s.reserve(i, orders[i], catalog.Line{ProductID: product, Quantity: 2}); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				for range 2 {
					if err := s.release(i, orders[i]); err != nil {
						t.Error(err)
					}
				}
			}
		})
		if i%10 > 0 {
			continue
		}
		wg.Go(func() {
			for _, action := range []string{"stop_sale", "resume_sale", "hide", "publish"} {
				if _, err := s.instances[i/10%2].ActOnProduct(s.ctx, product, action, ""); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			if _, _, err := s.tryMove(s.ctx, product, app.KindReceive, 3); err != nil {
				t.Error(err)
			}
			moved.Add(3)
		})
		wg.Go(func() {
			p, err := s.service().ManagedProduct(s.ctx, product)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.service().EditProduct(s.ctx, product, p.ETag(), func(f *app.Fields) { f.Name = fmt.Sprint("고친 이름 ", i) }); err != nil && !errors.Is(err, web.ErrStale) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, stock{500 + moved.Load(), 100}, s.stock(product))
	require.NoError(t, s.service().PublishChanges(t.Context()))
	s.sound()
}

// medusa#16825, magento2#13952, #10767 (T3): many buyers of the last piece, and orders are left over that hold nothing.
func TestAHundredForTheLastPiece(t *testing.T) {
	t.Parallel()

	s := setup(t)
	product := s.product(1)
	var held, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
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
	require.EqualValues(t, 1, held.Load())
	require.EqualValues(t, 99, refused.Load())
	require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.reservations`))
	require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.reservation_lines`))
	s.sound()
}

// Leetcode-City#1655 (T31): what others are about to pay for was shown, and sold, as if it were there.
//
// PrestaShop#19100 (T29): what nobody paid for stayed reserved for ever.
func TestHeldIsNotForSale(t *testing.T) {
	t.Parallel()

	s := setup(t)
	product := s.product(3)
	availability := func() catalog.Availability {
		t.Helper()
		offers, err := s.service().Offers(t.Context(), catalog.OffersInput{ProductIDs: []uuid.UUID{product}})
		require.NoError(t, err)
		return offers.Items[0].Availability
	}
	one := catalog.Line{ProductID: product, Quantity: 1}
	sold, held := uuid.New(), uuid.New()
	_, err := s.reserve(0, sold, one)
	require.NoError(t, err)
	s.use(sold)
	_, err = s.reserve(0, held, catalog.Line{ProductID: product, Quantity: 2})
	require.NoError(t, err)
	require.Equal(t, catalog.SoldOut, availability(), "3 - 1 sold - 2 held")
	_, err = s.reserve(1, uuid.New(), one)
	require.ErrorIs(t, err, catalog.ErrOutOfStock)

	require.NoError(t, s.hear(expired, held))
	require.NoError(t, s.service().Settle(t.Context()))
	require.Equal(t, catalog.Low, availability(), "3 - 1 sold")
	s.clock.Advance(2 * time.Second)
	_, err = s.service().Check(t.Context(), catalog.CheckInput{Lines: []catalog.Line{{ProductID: product, Quantity: 2}}})
	require.NoError(t, err)
	_, err = s.reserve(1, uuid.New(), catalog.Line{ProductID: product, Quantity: 2})
	require.NoError(t, err)
}

// original 22: the lock did not span what it was for, so that a pre-order sold more than it had, and a double click two to one.
//
// original 25: nothing was set aside for it, so that ordinary orders ate it.
func TestAPreOrderSellsWhatItHas(t *testing.T) {
	t.Parallel()

	const pieces = 40
	s := setup(t)
	product := s.product(100)
	drop := s.drop(product, pieces)
	var held, refused, ordinary atomic.Int64
	var wg sync.WaitGroup
	count := func(err error, had *atomic.Int64) {
		switch {
		case err == nil:
			had.Add(1)
		case errors.Is(err, catalog.ErrOutOfStock):
			refused.Add(1)
		default:
			t.Error(err)
		}
	}
	line := catalog.Line{ProductID: product, Quantity: 1}
	for i := range 10 * pieces {
		order := uuid.New()
		for click := range 2 { // each clicks twice, and is one order
			wg.Go(func() {
				_, err := s.reserveDrop(i+click, order, drop, line)
				if click == 0 {
					count(err, &held)
				}
			})
		}
		if i%2 == 0 {
			wg.Go(func() {
				_, err := s.reserve(i/2, uuid.New(), line)
				count(err, &ordinary)
			})
		}
	}
	wg.Wait()
	require.EqualValues(t, pieces, held.Load())
	require.EqualValues(t, 100-pieces, ordinary.Load())
	require.EqualValues(t, 10*pieces+5*pieces-100, refused.Load())
	require.Equal(t, stock{pieces, pieces}, s.stock(drop))
	require.Equal(t, stock{100 - pieces, 100 - pieces}, s.stock(product))
	s.sound()
}

// original 25: its quantity could be lowered below what was taken.
func TestAPreOrderIsNotLoweredBelowWhatIsTaken(t *testing.T) {
	t.Parallel()

	s := setup(t)
	product := s.product(10)
	drop := s.drop(product, 10)
	sold, held := uuid.New(), uuid.New()
	for _, order := range []uuid.UUID{sold, held} {
		_, err := s.reserveDrop(0, order, drop, catalog.Line{ProductID: product, Quantity: 3})
		require.NoError(t, err)
	}
	s.use(sold)
	_, err := s.service().SetDrop(t.Context(), setting(drop, product, 5))
	require.ErrorIs(t, err, catalog.ErrDropBelowTaken)
	require.Equal(t, catalog.Drop{DropID: drop, ProductID: product, Quantity: 10, Sold: 3, Held: 3, Left: 4}, s.stands(drop))
	_, err = s.service().SetDrop(t.Context(), setting(drop, product, 6))
	require.NoError(t, err)
	require.Equal(t, catalog.Drop{DropID: drop, ProductID: product, Quantity: 6, Sold: 3, Held: 3}, s.stands(drop))
	require.NoError(t, s.release(0, held))
	_, err = s.service().SetDrop(t.Context(), setting(drop, product, 3))
	require.NoError(t, err)
	require.Equal(t, stock{7, 0}, s.stock(product))
	s.sound()
}
