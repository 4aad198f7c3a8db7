package remote_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/coupons/internal/remote"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/rpc"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// sides are the module in this process, and the same module past a socket.
type sides struct {
	here, elsewhere coupons.Service
	app             *app.Service
}

func setup(t testing.TB) sides {
	t.Helper()
	s, err := app.NewService(app.Parts{
		Pool: pgtest.New(t, "coupons"), Outbox: outbox.New("coupons", clock.System), Audit: audit.New("coupons", clock.System), Clock: clock.System,
		Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	server, err := rpc.NewServer("secret", slog.New(slog.DiscardHandler), remote.Service(s)...)
	require.NoError(t, err)
	socket := httptest.NewServer(server)
	t.Cleanup(socket.Close)
	client, err := rpc.NewClient(socket.URL, "secret", nil)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return sides{here: s, elsewhere: remote.NewClient(client), app: s}
}

// campaign is so many coupons, which can be had from now on and for as long.
func (s sides) campaign(t testing.TB, quantity int64, from, until time.Duration) uuid.UUID {
	t.Helper()
	c, err := s.app.Create(context.Background(), app.New{
		Settings: app.Settings{Name: "Welcome", Quantity: quantity, StartsAt: time.Now().Add(from).UTC(), EndsAt: time.Now().Add(until).UTC()},
		Terms:    app.Terms{Discount: app.Discount{AmountWon: 1000}},
	})
	require.NoError(t, err)
	return c.ID
}

// TestClaim asks the contract's promises of both sides.
func TestClaim(t *testing.T) {
	t.Parallel()

	s := setup(t)
	for name, service := range map[string]coupons.Service{"Here": s.here, "Elsewhere": s.elsewhere} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			t.Run("NeverMoreThanThereAre", func(t *testing.T) {
				t.Parallel()

				campaign := s.campaign(t, 20, -time.Hour, time.Hour)
				var had, soldOut atomic.Int64
				var all sync.WaitGroup
				for range 60 {
					all.Go(func() {
						switch _, err := service.Claim(t.Context(), coupons.ClaimInput{CampaignID: campaign, AccountID: uuid.New()}); {
						case err == nil:
							had.Add(1)
						case errors.Is(err, coupons.ErrSoldOut):
							soldOut.Add(1)
						default:
							t.Error(err)
						}
					})
				}
				all.Wait()
				require.EqualValues(t, 20, had.Load())
				require.EqualValues(t, 40, soldOut.Load())
				counts, err := service.Counts(t.Context(), coupons.CountsInput{CampaignIDs: []uuid.UUID{campaign, uuid.New()}})
				require.NoError(t, err)
				require.Equal(t, []coupons.Count{{CampaignID: campaign, Quantity: 20, Taken: 20}}, counts.Items)
			})

			t.Run("TheSecondIsTheFirstAgain", func(t *testing.T) {
				t.Parallel()

				in := coupons.ClaimInput{CampaignID: s.campaign(t, 1, -time.Hour, time.Hour), AccountID: uuid.New()}
				first, err := service.Claim(t.Context(), in)
				require.NoError(t, err)
				require.Equal(t, in, coupons.ClaimInput{CampaignID: first.CampaignID, AccountID: first.AccountID})
				require.False(t, first.Repeated)
				for _, other := range []coupons.Service{s.here, s.elsewhere} {
					second, err := other.Claim(t.Context(), in)
					require.NoError(t, err)
					first.Repeated = true
					require.Equal(t, first, second, "both sides say the same, to the microsecond")
				}
			})

			t.Run("EachFaultIsItself", func(t *testing.T) {
				t.Parallel()

				for campaign, want := range map[uuid.UUID]error{
					uuid.New():                                   coupons.ErrNoCampaign,
					s.campaign(t, 1, time.Hour, 2*time.Hour):     coupons.ErrNotOpen,
					s.campaign(t, 1, -2*time.Hour, -1*time.Hour): coupons.ErrEnded,
				} {
					_, err := service.Claim(t.Context(), coupons.ClaimInput{CampaignID: campaign, AccountID: uuid.New()})
					require.ErrorIs(t, err, want)
					require.False(t, rpc.IsOutage(err))
				}
			})

			t.Run("WhoHasNoTimeHasNoFault", func(t *testing.T) {
				t.Parallel()

				ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
				defer cancel()
				_, err := service.Claim(ctx, coupons.ClaimInput{CampaignID: s.campaign(t, 1, -time.Hour, time.Hour), AccountID: uuid.New()})
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		})
	}
}

// TestCost prints what the way to another process costs a claim. It promises nothing: the machine may be busy.
func TestCost(t *testing.T) {
	s := setup(t)
	campaign := s.campaign(t, 1_000_000, -time.Hour, time.Hour)
	took := map[string][]time.Duration{}
	for i := range 440 { // in turns, so that both have the same neighbours
		for _, side := range []struct {
			name    string
			service coupons.Service
		}{{"here", s.here}, {"elsewhere", s.elsewhere}} {
			start := time.Now()
			_, err := side.service.Claim(t.Context(), coupons.ClaimInput{CampaignID: campaign, AccountID: uuid.New()})
			require.NoError(t, err)
			if i >= 40 { // warm
				took[side.name] = append(took[side.name], time.Since(start))
			}
		}
	}
	for name, all := range took {
		slices.Sort(all)
		t.Logf("a claim %-9s median %s, p99 %s", name, all[len(all)/2].Round(time.Microsecond), all[len(all)*99/100].Round(time.Microsecond))
	}
}
