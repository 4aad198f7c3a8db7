package app_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
)

func TestClaim(t *testing.T) {
	t.Parallel()

	t.Run("NeverOversells", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 100)
		var claimed, soldOut atomic.Int64
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				switch _, err := s.claim(i, s.campaign.ID, uuid.New()); {
				case err == nil:
					claimed.Add(1)
				case errors.Is(err, coupons.ErrSoldOut):
					soldOut.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()

		require.EqualValues(t, 100, claimed.Load())
		require.EqualValues(t, 200, soldOut.Load())
		s.books(s.campaign.ID, 100)
	})

	t.Run("OnePerAccount", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 100)
		account := uuid.New()
		got := make([]coupons.Coupon, 20)
		var first atomic.Int64
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				c, err := s.claim(i, s.campaign.ID, account)
				if err != nil {
					t.Error(err)
				}
				if !c.Repeated {
					first.Add(1)
				}
				c.Repeated = false
				got[i] = c
			})
		}
		wg.Wait()

		require.EqualValues(t, 1, first.Load())
		for _, c := range got {
			require.Equal(t, got[0], c)
		}
		s.books(s.campaign.ID, 1)
	})

	t.Run("HoldersGetTheirsAfterSellOutAndEnd", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		holder := uuid.New()
		first, err := s.claim(0, s.campaign.ID, holder)
		require.NoError(t, err)
		require.False(t, first.Repeated)
		first.Repeated = true

		_, err = s.claim(0, s.campaign.ID, uuid.New())
		require.ErrorIs(t, err, coupons.ErrSoldOut)
		again, err := s.claim(1, s.campaign.ID, holder)
		require.NoError(t, err)
		require.Equal(t, first, again)

		s.edit(app.Edit{EndsAt: new(longAgo.Add(time.Hour))})
		_, err = s.claim(0, s.campaign.ID, uuid.New())
		require.ErrorIs(t, err, coupons.ErrEnded)
		again, err = s.claim(0, s.campaign.ID, holder)
		require.NoError(t, err)
		require.Equal(t, first, again)
		s.books(s.campaign.ID, 1)
	})

	t.Run("UnknownCampaign", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		_, err := s.claim(0, uuid.New(), uuid.New())
		require.ErrorIs(t, err, coupons.ErrNoCampaign)
	})

	t.Run("OpensAndCloses", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		s.edit(app.Edit{StartsAt: new(farAway.Add(-time.Hour))})
		_, err := s.claim(0, s.campaign.ID, uuid.New())
		require.ErrorIs(t, err, coupons.ErrNotOpen)

		s.edit(app.Edit{StartsAt: new(longAgo), EndsAt: new(longAgo.Add(time.Millisecond))})
		_, err = s.claim(0, s.campaign.ID, uuid.New())
		require.ErrorIs(t, err, coupons.ErrEnded)

		s.edit(app.Edit{EndsAt: &farAway})
		_, err = s.claim(0, s.campaign.ID, uuid.New())
		require.NoError(t, err)
		s.books(s.campaign.ID, 1)
	})

	// A claim that waits for the counter while the campaign ends is too late, though it came in time.
	t.Run("TheWindowIsJudgedAfterTheLock", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		tx := s.lockCounter()
		refused := make(chan error, 1)
		go func() {
			_, err := s.claim(0, s.campaign.ID, uuid.New())
			refused <- err
		}()
		s.awaitWaiting()
		_, err := tx.Exec(t.Context(), `UPDATE coupons.counters SET ends_at = clock_timestamp() WHERE campaign_id = $1`, s.campaign.ID)
		require.NoError(t, err)
		require.NoError(t, tx.Commit(t.Context()))

		require.ErrorIs(t, <-refused, coupons.ErrEnded)
		s.books(s.campaign.ID, 0)
	})

	t.Run("SurvivesALostConnection", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		tx := s.lockCounter()
		claimed := make(chan error, 1)
		go func() {
			_, err := s.claim(0, s.campaign.ID, uuid.New())
			claimed <- err
		}()
		pid := s.awaitWaiting()
		_, err := s.pool.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, pid)
		require.NoError(t, err)
		require.NoError(t, tx.Commit(t.Context()))

		require.NoError(t, <-claimed)
		s.books(s.campaign.ID, 1)
	})

	t.Run("RefusalsAndRepeatsWriteNothing", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		holder := uuid.New()
		_, err := s.claim(0, s.campaign.ID, holder)
		require.NoError(t, err)
		state := func() (row string) {
			err := s.pool.QueryRow(t.Context(), `
				SELECT ctid::text || ' ' || xmin::text || ' ' || xmax::text || ' ' || pg_relation_size('coupons.coupons')
				FROM coupons.counters WHERE campaign_id = $1`, s.campaign.ID).Scan(&row)
			require.NoError(t, err)
			return row
		}
		before := state()
		for range 20 {
			_, err := s.claim(0, s.campaign.ID, uuid.New())
			require.ErrorIs(t, err, coupons.ErrSoldOut)
			_, err = s.claim(0, s.campaign.ID, holder)
			require.NoError(t, err)
		}
		require.Equal(t, before, state(), "the counter's row was locked or written")
	})
}

func TestFlight(t *testing.T) {
	t.Parallel()

	t.Run("AnswersEachByItself", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 2)
		other := s.create(app.Settings{Name: "Other", Quantity: 1, StartsAt: longAgo, EndsAt: farAway})
		ended := s.create(app.Settings{Name: "Ended", Quantity: 1, StartsAt: longAgo, EndsAt: longAgo.Add(time.Hour)})
		accounts := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
		fly := func(campaign uuid.UUID, account int) app.FlightClaim {
			return app.NewFlightClaim(campaign, accounts[account], uuid.Must(uuid.NewV7()), made)
		}
		results, err := s.instances[0].Fly(t.Context(), []app.FlightClaim{
			fly(s.campaign.ID, 0), fly(uuid.New(), 0), fly(ended.ID, 0), fly(s.campaign.ID, 1), fly(s.campaign.ID, 0),
			fly(s.campaign.ID, 2), fly(other.ID, 2), fly(other.ID, 0), fly(other.ID, 0),
		})
		require.NoError(t, err)

		for i, want := range []error{
			nil, coupons.ErrNoCampaign, coupons.ErrEnded, nil, nil, coupons.ErrSoldOut, nil, coupons.ErrSoldOut, coupons.ErrSoldOut,
		} {
			require.ErrorIs(t, results[i].Err, want, "claim %d", i)
			require.Equal(t, i == 4, results[i].Out.Repeated, "claim %d", i)
		}
		require.Equal(t, results[0].Out.ID, results[4].Out.ID)
		s.books(s.campaign.ID, 2)
		s.books(other.ID, 1)
		s.books(ended.ID, 0)
	})

	t.Run("GivesInOneRoundTripAndTellsOfNobodyElse", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 3)
		holder := uuid.New()
		held, err := s.claim(0, s.campaign.ID, holder)
		require.NoError(t, err)
		fly := func(account uuid.UUID, at time.Time) app.FlightClaim {
			return app.NewFlightClaim(s.campaign.ID, account, uuid.Must(uuid.NewV7()), at)
		}
		results, err := s.instances[0].Fly(t.Context(), []app.FlightClaim{
			fly(uuid.New(), made), fly(holder, made), fly(uuid.New(), longAgo.Add(-time.Millisecond)),
		})
		require.NoError(t, err)

		given, repeated, early := results[0].Out, results[1].Out, results[2].Out
		require.Equal(t, made, given.ClaimedAt, "it has the time of its claim")
		require.Equal(t, held.ID, repeated.ID)
		require.True(t, repeated.Repeated)
		require.True(t, early.ClaimedAt.After(longAgo), "nobody has it from before it could be had")
		var row, event time.Time
		err = s.pool.QueryRow(t.Context(), `SELECT k.claimed_at, (o.data->>'at')::timestamptz
			FROM coupons.coupons k JOIN coupons.outbox o ON o.key = k.id AND o.occurred_at = k.claimed_at WHERE k.id = $1`, given.ID).Scan(&row, &event)
		require.NoError(t, err)
		require.True(t, row.Equal(made) && event.Equal(made), "%s, %s", row, event)
		require.EqualValues(t, 3, s.count(`SELECT count(*) FROM coupons.outbox WHERE type = 'coupons.claimed.v1'`))
		s.books(s.campaign.ID, 3)
	})

	// What a lost connection leaves is unknown, so the same flight flies again.
	t.Run("AgainAfterItsCommit", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 1)
		claims := []app.FlightClaim{
			app.NewFlightClaim(s.campaign.ID, uuid.New(), uuid.Must(uuid.NewV7()), made),
			app.NewFlightClaim(s.campaign.ID, uuid.New(), uuid.Must(uuid.NewV7()), made),
		}
		first, err := s.instances[0].Fly(t.Context(), claims)
		require.NoError(t, err)
		again, err := s.instances[1].Fly(t.Context(), claims)
		require.NoError(t, err)

		require.Equal(t, first, again)
		require.NoError(t, again[0].Err)
		require.False(t, again[0].Out.Repeated, "the client has not had its 201 yet")
		s.books(s.campaign.ID, 1)
	})
}

func TestVerdict(t *testing.T) {
	t.Parallel()

	starts, ends := longAgo, longAgo.Add(time.Hour)
	for name, c := range map[string]struct {
		now   time.Time
		taken int64
		want  error
	}{
		"JustBefore":  {starts.Add(-time.Microsecond), 0, coupons.ErrNotOpen},
		"AtTheStart":  {starts, 0, nil},
		"JustInTime":  {ends.Add(-time.Microsecond), 4, nil},
		"AtTheEnd":    {ends, 0, coupons.ErrEnded},
		"SoldOut":     {starts, 5, coupons.ErrSoldOut},
		"EndedIsLast": {ends, 5, coupons.ErrEnded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := app.Verdict(app.Counter{Quantity: 5, Taken: c.taken, StartsAt: starts, EndsAt: ends, Now: c.now}, true)
			require.Equal(t, c.want, got)
		})
	}
	require.Equal(t, coupons.ErrNoCampaign, app.Verdict(app.Counter{}, false))
}
