package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// TestMain lets a test start this program as the process that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "claimer" {
		main()
		return
	}
	pgtest.Main(m)
}

func setup(t *testing.T, quantity int64) (w *world, campaign uuid.UUID) {
	t.Helper()
	w = &world{url: pgtest.URL(t), name: "shop_bench_" + uuid.NewString()[:8], folder: t.TempDir()}
	campaign, err := w.campaign(t.Context(), quantity)
	require.NoError(t, err)
	return w, campaign
}

// TestWays holds what is compared to what it is compared for: each way keeps what it has promised, when nothing happens to it.
func TestWays(t *testing.T) {
	t.Parallel()

	for name, open := range map[string]func(t *testing.T, w *world) (*way, func(), error){
		"Shop":      func(t *testing.T, w *world) (*way, func(), error) { return w.byShop(t.Context()) },
		"Statement": func(t *testing.T, w *world) (*way, func(), error) { return w.byStatement(t.Context(), 4) },
		"Bulk":      func(t *testing.T, w *world) (*way, func(), error) { return w.inBulk(t.Context()) },
		"Lock": func(t *testing.T, w *world) (*way, func(), error) {
			w.settings.Redis, w.settings.Kafka = stacktest.Redis(t), stacktest.Kafka(t)
			x, end, _, err := w.byLock(t.Context())
			return x, end, err
		},
		"Script": func(t *testing.T, w *world) (*way, func(), error) {
			w.settings.Redis = stacktest.Redis(t)
			x, end, _, err := w.writtenBehind(t.Context())
			return x, end, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			const callers, calls = 8, 10
			w, campaign := setup(t, plenty)
			x, end, err := open(t, w)
			require.NoError(t, err)
			defer end()
			together(callers, func() {
				for range calls {
					if err := x.give(t.Context(), campaign); err != nil {
						t.Error(err)
					}
				}
			})
			if x.drain != nil {
				_, err := x.drain(t.Context())
				require.NoError(t, err)
			}

			want := int64(callers * calls * max(1, x.each))
			got, err := w.tally(t.Context(), campaign, want)
			require.NoError(t, err)
			require.Equal(t, tally{promised: want, rows: want, accounts: want, counted: want}, got)
		})
	}
}

func TestStatement(t *testing.T) {
	t.Parallel()

	t.Run("NeverOversells", func(t *testing.T) {
		t.Parallel()

		w, campaign := setup(t, 10)
		pool, err := w.openPool(t.Context(), 8)
		require.NoError(t, err)
		defer pool.Close()
		var given, late atomic.Int64
		together(40, func() {
			switch _, err := (statements{pool}).claim(t.Context(), campaign, uuid.New()); {
			case err == nil:
				given.Add(1)
			case errors.Is(err, coupons.ErrSoldOut):
				late.Add(1)
			default:
				t.Error(err)
			}
		})

		require.EqualValues(t, 10, given.Load())
		require.EqualValues(t, 30, late.Load())
		got, err := w.tally(t.Context(), campaign, 10)
		require.NoError(t, err)
		require.Equal(t, tally{promised: 10, rows: 10, accounts: 10, counted: 10}, got)
	})

	t.Run("RepeatsAreTheSame", func(t *testing.T) {
		t.Parallel()

		w, campaign := setup(t, 1)
		pool, err := w.openPool(t.Context(), 2)
		require.NoError(t, err)
		defer pool.Close()
		account := uuid.New()
		first, err := (statements{pool}).claim(t.Context(), campaign, account)
		require.NoError(t, err)
		again, err := (statements{pool}).claim(t.Context(), campaign, account)
		require.NoError(t, err)

		require.False(t, first.Repeated)
		first.Repeated = true
		require.Equal(t, first, again)
	})
}

// TestTally breaks the books in each way that a tally is there to see.
func TestTally(t *testing.T) {
	t.Parallel()

	w, campaign := setup(t, plenty)
	account := uuid.New()
	err := w.onDatabase(t.Context(), func(conn *pgxpool.Conn) error {
		return execAll(t.Context(), conn, `ALTER TABLE coupons.coupons DROP CONSTRAINT coupons_one_per_account`,
			`INSERT INTO coupons.coupons (id, version, campaign_id, account_id, claimed_at)
			 SELECT gen_random_uuid(), 1, '`+campaign.String()+`', '`+account.String()+`', now() FROM generate_series(1, 3)`,
			`UPDATE coupons.counters SET taken = 2 WHERE campaign_id = '`+campaign.String()+`'`)
	})
	require.NoError(t, err)
	got, err := w.tally(t.Context(), campaign, 5)
	require.NoError(t, err)

	require.EqualValues(t, 2, got.lost())
	require.EqualValues(t, 2, got.doubled())
	require.True(t, got.miscounted())
	require.Equal(t, "a way: of 5 claims, lost 2, doubled 2; in 1 of 1 campaigns the counter is not the number of its coupons", outcome("a way", []tally{got}))
	require.Zero(t, tally{promised: 1, rows: 2, accounts: 2, counted: 2}.lost()) // an answer that was lost is no coupon that was
}

func TestKill(t *testing.T) {
	t.Parallel()

	for _, how := range []string{"shop", "statement"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()

			w, _ := setup(t, 1)
			admin, err := pgx.Connect(t.Context(), w.url)
			require.NoError(t, err)
			defer func() { _ = admin.Close(context.WithoutCancel(t.Context())) }()
			w.name = admin.Config().Database
			w.admin = admin
			says, err := w.kill(t.Context(), "it", how, 4)
			require.NoError(t, err)
			require.Regexp(t, `of [1-9]\d* claims that it had promised, lost 0, doubled 0$`, says)
		})
	}
}

// TestTurns: whoever holds a coupon and whoever is too late come by turns, and each of them comes.
func TestTurns(t *testing.T) {
	t.Parallel()

	came := map[int]bool{}
	for i := range shoppers {
		came[personOf(i)] = true
		require.Equal(t, i%2 == 0, personOf(i) < holders)
	}
	require.Len(t, came, shoppers)
}

func execAll(ctx context.Context, conn *pgxpool.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func together(callers int, f func()) {
	var wg sync.WaitGroup
	for range callers {
		wg.Go(f)
	}
	wg.Wait()
}
