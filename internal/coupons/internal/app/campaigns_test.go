package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

// edit changes the campaign as it is now.
func (s shop) edit(e app.Edit) app.Campaign {
	s.t.Helper()
	now, err := s.instances[0].Campaign(s.t.Context(), s.campaign.ID)
	require.NoError(s.t, err)
	edited, err := s.instances[0].Edit(s.t.Context(), s.campaign.ID, now.ETag(), e)
	require.NoError(s.t, err)
	return edited
}

func TestEdit(t *testing.T) {
	t.Parallel()

	t.Run("TheQuantityMayOnlyGrow", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 10)
		for range 3 {
			_, err := s.claim(0, s.campaign.ID, uuid.New())
			require.NoError(t, err)
		}
		for _, less := range []int64{9, 3, 2} {
			_, err := s.instances[0].Edit(t.Context(), s.campaign.ID, s.campaign.ETag(), app.Edit{Quantity: &less})
			require.ErrorIs(t, err, coupons.ErrQuantityShort)
		}
		edited := s.edit(app.Edit{Quantity: new(int64(11))})
		require.EqualValues(t, 11, edited.Quantity)
		require.EqualValues(t, 3, edited.Taken)
		require.EqualValues(t, 2, edited.Version)
	})

	// The database keeps the promise too, should the code ever forget it.
	t.Run("NeverBelowTaken", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 2)
		_, err := s.claim(0, s.campaign.ID, uuid.New())
		require.NoError(t, err)
		_, err = s.pool.Exec(t.Context(), `UPDATE coupons.counters SET taken = 3 WHERE campaign_id = $1`, s.campaign.ID)
		require.ErrorContains(t, err, "counters_never_oversold")
		_, err = s.claim(0, s.campaign.ID, uuid.New())
		require.NoError(t, err)
		_, err = s.pool.Exec(t.Context(), `UPDATE coupons.counters SET quantity = 1 WHERE campaign_id = $1`, s.campaign.ID)
		require.ErrorContains(t, err, "counters_never_oversold")
	})

	t.Run("GrowsWhileItIsClaimed", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 20)
		var grown atomic.Bool
		var claimed atomic.Int64
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				account := uuid.New()
				for {
					last := grown.Load()
					_, err := s.claim(i, s.campaign.ID, account)
					switch {
					case err == nil:
						claimed.Add(1)
						return
					case !errors.Is(err, coupons.ErrSoldOut):
						t.Error(err)
						return
					case last:
						return
					}
				}
			})
		}
		for quantity := int64(30); quantity <= 120; quantity += 10 {
			s.edit(app.Edit{Quantity: &quantity})
			s.clock.Advance(time.Second) // the other instance may go on for so long saying that it is sold out
		}
		grown.Store(true)
		wg.Wait()

		require.EqualValues(t, 120, claimed.Load())
		s.books(s.campaign.ID, 120)
	})

	t.Run("OneOfManyAtOnce", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 10)
		var done, stale atomic.Int64
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				switch _, err := s.instances[i%2].Edit(t.Context(), s.campaign.ID, s.campaign.ETag(), app.Edit{Quantity: new(int64(20 + i))}); {
				case err == nil:
					done.Add(1)
				case errors.Is(err, web.ErrStale):
					stale.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()

		require.EqualValues(t, 1, done.Load())
		require.EqualValues(t, 9, stale.Load())
	})

	t.Run("ClaimsMakeNoEditStale", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 10)
		_, err := s.claim(0, s.campaign.ID, uuid.New())
		require.NoError(t, err)
		_, err = s.instances[0].Edit(t.Context(), s.campaign.ID, s.campaign.ETag(), app.Edit{Name: new("Renamed")})
		require.NoError(t, err)
	})

	t.Run("Refusals", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 10)
		for _, c := range []struct {
			id      uuid.UUID
			ifMatch string
			edit    app.Edit
			want    error
		}{
			{uuid.New(), s.campaign.ETag(), app.Edit{}, coupons.ErrNoCampaign},
			{s.campaign.ID, "", app.Edit{}, web.ErrIfMatchRequired},
			{s.campaign.ID, `"old"`, app.Edit{}, web.ErrStale},
			{s.campaign.ID, s.campaign.ETag(), app.Edit{Name: new(" \t")}, coupons.ErrNoName},
			{s.campaign.ID, s.campaign.ETag(), app.Edit{EndsAt: &longAgo}, coupons.ErrBadWindow},
			{s.campaign.ID, s.campaign.ETag(), app.Edit{StartsAt: &farAway}, coupons.ErrBadWindow},
			{s.campaign.ID, s.campaign.ETag(), app.Edit{EndsAt: new(farAway.AddDate(8000, 0, 0))}, coupons.ErrBadWindow},
		} {
			_, err := s.instances[0].Edit(t.Context(), c.id, c.ifMatch, c.edit)
			require.ErrorIs(t, err, c.want)
		}
		same, err := s.instances[0].Edit(t.Context(), s.campaign.ID, s.campaign.ETag(), app.Edit{Quantity: new(int64(10))})
		require.NoError(t, err)
		require.Equal(t, s.campaign, same, "no change is no new version")
	})

	t.Run("IsAudited", func(t *testing.T) {
		t.Parallel()

		s := setup(t, 10)
		manager := auth.Principal{AccountID: uuid.New(), Role: auth.Manager}
		ctx := auth.With(t.Context(), manager)
		_, err := s.instances[0].Edit(ctx, s.campaign.ID, s.campaign.ETag(), app.Edit{Quantity: new(int64(12))})
		require.NoError(t, err)
		_, err = s.instances[0].Edit(ctx, s.campaign.ID, s.campaign.ETag(), app.Edit{Quantity: new(int64(13))})
		require.ErrorIs(t, err, web.ErrStale)

		require.Equal(t, []entry{
			{Actor: uuid.Nil, Action: "coupons.create", After: 10},
			{Actor: manager.AccountID, Action: "coupons.update", Before: 10, After: 12},
		}, s.audited())
	})
}

type entry struct {
	Actor         uuid.UUID
	Action        string
	Before, After int64 // the quantities
}

func (s shop) audited() (found []entry) {
	s.t.Helper()
	rows, err := s.pool.Query(context.Background(),
		`SELECT actor_id, action, before, after FROM coupons.audit_log WHERE subject = $1 ORDER BY id`, s.campaign.ID.String())
	require.NoError(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var e entry
		var before, after *json.RawMessage
		require.NoError(s.t, rows.Scan(&e.Actor, &e.Action, &before, &after))
		e.Before, e.After = quantityOf(s.t, before), quantityOf(s.t, after)
		found = append(found, e)
	}
	require.NoError(s.t, rows.Err())
	return found
}

func quantityOf(t testing.TB, settings *json.RawMessage) int64 {
	t.Helper()
	if settings == nil {
		return 0
	}
	var s app.Settings
	require.NoError(t, json.Unmarshal(*settings, &s))
	return s.Quantity
}
