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

	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// TestMain lets a test start this program as the process that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "giver" {
		main()
		return
	}
	pgtest.Main(m)
}

// setup is a world with one product, one shopper and one giveaway.
func setup(t *testing.T, g giveaway, quantity int64) (w *world, of uuid.UUID) {
	t.Helper()
	w = &world{url: pgtest.URL(t), name: "shop_bench_" + uuid.NewString()[:8], folder: t.TempDir()}
	require.NoError(t, w.populate(t.Context(), 1, 1))
	of, err := w.announce(t.Context(), g, quantity)
	require.NoError(t, err)
	return w, of
}

// TestWays holds what is compared to what it is compared for: each way keeps what it has promised, when nothing happens to it.
func TestWays(t *testing.T) {
	t.Parallel()

	ways := map[string]func(t *testing.T, w *world, g giveaway) (*way, func(), error){
		"Shop": func(t *testing.T, w *world, g giveaway) (*way, func(), error) { return w.byShop(t.Context(), g) },
		"Statement": func(t *testing.T, w *world, g giveaway) (*way, func(), error) {
			return w.byStatement(t.Context(), g, 4)
		},
		"Bulk": func(t *testing.T, w *world, g giveaway) (*way, func(), error) { return w.inBulk(t.Context(), g) },
		"Lock": func(t *testing.T, w *world, g giveaway) (*way, func(), error) {
			w.settings.Redis = stacktest.Redis(t)
			w.settings.Kafka, _ = stacktest.Kafka(t)
			x, end, _, err := w.byLock(t.Context(), g)
			return x, end, err
		},
		"Script": func(t *testing.T, w *world, g giveaway) (*way, func(), error) {
			w.settings.Redis = stacktest.Redis(t)
			x, end, _, err := w.writtenBehind(t.Context(), g)
			return x, end, err
		},
	}
	for part, g := range giveaways {
		for name, open := range ways {
			t.Run(part+"/"+name, func(t *testing.T) {
				t.Parallel()

				const callers, calls = 8, 10
				w, of := setup(t, g, plenty)
				x, end, err := open(t, w, g)
				require.NoError(t, err)
				defer end()
				together(callers, func() {
					for range calls {
						if err := x.give(t.Context(), of); err != nil {
							t.Error(err)
						}
					}
				})
				if x.drain != nil {
					_, err := x.drain(t.Context())
					require.NoError(t, err)
				}

				want := int64(callers * calls * max(1, x.each))
				got, err := w.tally(t.Context(), g, of, want)
				require.NoError(t, err)
				require.Equal(t, tally{promised: want, rows: want, holders: want, counted: want}, got)
			})
		}
	}
}

func TestKill(t *testing.T) {
	t.Parallel()

	for part, g := range giveaways {
		for _, how := range []string{"shop", "statement"} {
			t.Run(part+"/"+how, func(t *testing.T) {
				t.Parallel()

				w, _ := setup(t, g, 1)
				admin, err := pgx.Connect(t.Context(), w.url)
				require.NoError(t, err)
				defer func() { _ = admin.Close(context.WithoutCancel(t.Context())) }()
				w.name = admin.Config().Database
				w.admin = admin
				says, err := w.kill(t.Context(), g, "it", how, 4)
				require.NoError(t, err)
				require.Regexp(t, `^it, killed after 1s with 64 callers: of [1-9]\d* `+g.words().one+`s, lost 0, doubled 0$`, says)
			})
		}
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

// neverOversells has forty accounts ask at once for one of ten, each in a statement of its own.
func neverOversells(t *testing.T, g giveaway, gone error) {
	t.Helper()
	w, of := setup(t, g, 10)
	pool, err := w.openPool(t.Context(), 8)
	require.NoError(t, err)
	defer pool.Close()
	var given, late atomic.Int64
	together(40, func() {
		switch err := g.byStatement(t.Context(), pool, grantOf(of, uuid.New())); {
		case err == nil:
			given.Add(1)
		case errors.Is(err, gone):
			late.Add(1)
		default:
			t.Error(err)
		}
	})

	require.EqualValues(t, 10, given.Load())
	require.EqualValues(t, 30, late.Load())
	got, err := w.tally(t.Context(), g, of, 10)
	require.NoError(t, err)
	require.Equal(t, tally{promised: 10, rows: 10, holders: 10, counted: 10}, got)
}

func together(callers int, f func()) {
	var wg sync.WaitGroup
	for range callers {
		wg.Go(f)
	}
	wg.Wait()
}
