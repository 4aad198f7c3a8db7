package app_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// watch sees what is sent to the database, and can hold it up.
type watch struct{ seen func(sql string) }

func (w watch) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	w.seen(d.SQL)
	return ctx
}

func (w watch) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		w.seen(q.SQL)
	}
	return ctx
}

func (watch) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (watch) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (watch) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// watched is a shop, whose tables the test may break, that says what it sends.
func watched(t testing.TB, quantity int64, seen func(sql string)) shop {
	t.Helper()
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "coupons", Tracer: watch{seen}})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return setupOn(t, pool, quantity)
}

func TestSoldOut(t *testing.T) {
	t.Parallel()

	// soldOut lets so many claim, one more, and another one, who looks who the holders are.
	soldOut := func(s shop, quantity int) (holders []coupons.Coupon) {
		s.t.Helper()
		for range quantity {
			holders = append(holders, s.have(s.campaign.ID))
		}
		for range 2 {
			_, err := s.claim(0, s.campaign.ID, uuid.New())
			require.ErrorIs(s.t, err, coupons.ErrSoldOut)
		}
		return holders
	}

	t.Run("AsksTheDatabaseOnceASecond", func(t *testing.T) {
		t.Parallel()

		var sent, looks, lists atomic.Int64
		s := watched(t, 3, func(sql string) {
			sent.Add(1)
			if strings.Contains(sql, "name: CounterNow ") {
				looks.Add(1)
			}
			if strings.Contains(sql, "name: Holders ") {
				lists.Add(1)
			}
		})
		holders := soldOut(s, 3)
		require.EqualValues(t, 1, lists.Load())
		crowd := func() {
			t.Helper()
			var wg sync.WaitGroup
			for i := range 300 {
				wg.Go(func() {
					if i%3 > 0 {
						if _, err := s.claim(0, s.campaign.ID, uuid.New()); !errors.Is(err, coupons.ErrSoldOut) {
							t.Error(err)
						}
						return
					}
					h := holders[i/3%3]
					h.Repeated = true
					if got, err := s.claim(0, s.campaign.ID, h.AccountID); err != nil || got != h {
						t.Errorf("%v %v, want %v", got, err, h)
					}
				})
			}
			wg.Wait()
		}
		sent.Store(0)
		s.clock.Advance(999 * time.Millisecond)
		crowd()
		require.Zero(t, sent.Load())

		looks.Store(0)
		s.clock.Advance(time.Millisecond)
		crowd()
		require.EqualValues(t, 1, looks.Load(), "one asks for all")
		require.EqualValues(t, 1, sent.Load(), "and reads the counter alone")
		require.EqualValues(t, 1, lists.Load())
	})

	t.Run("SellsAgainWithinASecond", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 2)
		holders := soldOut(s, 2)
		settings := func(quantity int64) { // of the other instance
			now, err := s.instances[1].Campaign(t.Context(), s.campaign.ID)
			require.NoError(t, err)
			_, err = s.instances[1].Edit(t.Context(), s.campaign.ID, now.ETag(), app.Edit{Quantity: &quantity})
			require.NoError(t, err)
		}
		settings(3)
		_, err := s.claim(0, s.campaign.ID, uuid.New())
		require.ErrorIs(t, err, coupons.ErrSoldOut, "it may be a second late")
		s.clock.Advance(time.Second)
		third := uuid.New()
		got, err := s.claim(0, s.campaign.ID, third)
		require.NoError(t, err)
		require.False(t, got.Repeated)

		// Sold out again: who has come in the meantime is among the holders.
		for range 2 {
			_, err = s.claim(0, s.campaign.ID, uuid.New())
			require.ErrorIs(t, err, coupons.ErrSoldOut)
		}
		for _, account := range []uuid.UUID{holders[0].AccountID, holders[1].AccountID, third} {
			again, err := s.claim(0, s.campaign.ID, account)
			require.NoError(t, err)
			require.True(t, again.Repeated)
		}
		settings(4)
		s.clock.Advance(time.Second)
		fourth, err := s.claim(1, s.campaign.ID, uuid.New()) // the other one sells the last
		require.NoError(t, err)
		again, err := s.claim(0, s.campaign.ID, fourth.AccountID)
		require.NoError(t, err, "the set is read anew, since the counter has moved")
		require.Equal(t, fourth.ID, again.ID)
		s.books(s.campaign.ID, 4)
	})

	t.Run("SellsAtOnceWhereItWasEdited", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		soldOut(s, 1)
		s.edit(app.Edit{Quantity: new(int64(2))})
		c := s.have(s.campaign.ID)
		again, err := s.claim(0, s.campaign.ID, c.AccountID)
		require.NoError(t, err)
		require.Equal(t, c.ID, again.ID)
	})

	// A look that began before a coupon was given here, and ends after it, is not believed: it would refuse who holds that coupon.
	t.Run("ALookThatIsOvertakenIsNotKept", func(t *testing.T) {
		t.Parallel()

		var hold atomic.Bool
		held, goOn := make(chan struct{}), make(chan struct{})
		s := watched(t, 1, func(sql string) {
			if strings.Contains(sql, "name: Holders ") && hold.CompareAndSwap(true, false) {
				close(held)
				<-goOn
			}
		})
		s.have(s.campaign.ID)
		_, err := s.claim(0, s.campaign.ID, uuid.New()) // sees it sold out
		require.ErrorIs(t, err, coupons.ErrSoldOut)
		hold.Store(true)
		looking := make(chan error, 1)
		go func() {
			_, err := s.claim(0, s.campaign.ID, uuid.New())
			looking <- err
		}()
		<-held // its snapshot is taken, at which it was sold out
		_, err = s.instances[1].Edit(t.Context(), s.campaign.ID, s.campaign.ETag(), app.Edit{Quantity: new(int64(2))})
		require.NoError(t, err)
		flight := app.NewFlightClaim(s.campaign.ID, uuid.New(), uuid.Must(uuid.NewV7()), made) // that waited for its take-off
		results, err := s.instances[0].Fly(t.Context(), []app.FlightClaim{flight})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		c := results[0].Out
		close(goOn)
		require.ErrorIs(t, <-looking, coupons.ErrSoldOut, "it is, again")
		again, err := s.claim(0, s.campaign.ID, c.AccountID)
		require.NoError(t, err)
		require.Equal(t, c.ID, again.ID)
	})

	t.Run("TheEndIsToldWithinASecond", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		soldOut(s, 1)
		s.exec(`UPDATE coupons.counters SET ends_at = clock_timestamp() WHERE campaign_id = $1`, s.campaign.ID)
		s.clock.Advance(time.Second)
		_, err := s.claim(0, s.campaign.ID, uuid.New())
		require.ErrorIs(t, err, coupons.ErrEnded)
	})

	t.Run("ALargeOneIsLookedUp", func(t *testing.T) {
		t.Parallel()

		var sent atomic.Int64
		s := watched(t, 100_001, func(string) { sent.Add(1) })
		holder := s.have(s.campaign.ID)
		s.exec(`UPDATE coupons.counters SET taken = quantity`)
		for range 3 {
			_, err := s.claim(0, s.campaign.ID, uuid.New())
			require.ErrorIs(t, err, coupons.ErrSoldOut)
		}
		sent.Store(0)
		got, err := s.claim(0, s.campaign.ID, holder.AccountID)
		require.NoError(t, err)
		require.Equal(t, holder.ID, got.ID)
		require.NotZero(t, sent.Load())
	})

	t.Run("RemembersSoManyAtMost", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 2)
		soldOut(s, 2)
		for range 999 {
			s.instances[0].Note(uuid.New(), 5)
		}
		campaigns, remembered := s.instances[0].Remembered()
		require.Equal(t, []int{1000, 2}, []int{campaigns, remembered})
		s.instances[0].Note(uuid.New(), 100_001)
		s.instances[0].Note(uuid.New(), 5) // in the place of those that nobody asks about
		campaigns, remembered = s.instances[0].Remembered()
		require.Equal(t, []int{2, 2}, []int{campaigns, remembered})
		s.clock.Advance(time.Second)
		for range 999 {
			s.instances[0].Note(uuid.New(), 5)
		}
		campaigns, remembered = s.instances[0].Remembered()
		require.Equal(t, []int{1, 0}, []int{campaigns, remembered})
	})

	t.Run("WithoutTheDatabaseNothingIsSaid", func(t *testing.T) {
		t.Parallel()

		s := owned(t, 1)
		soldOut(s, 1)
		s.clock.Advance(time.Second)
		s.exec(`ALTER TABLE coupons.counters RENAME TO lost`)
		_, err := s.claim(0, s.campaign.ID, uuid.New())
		require.Error(t, err)
		require.NotErrorIs(t, err, coupons.ErrSoldOut)
	})
}
