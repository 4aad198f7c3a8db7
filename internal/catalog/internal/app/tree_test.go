package app_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

// counted counts what is asked of the tree's place.
type counted struct {
	app.Trees
	leases, puts atomic.Int64
}

func (c *counted) Get(ctx context.Context) ([]byte, string, error) {
	tree, lease, err := c.Trees.Get(ctx)
	if lease != "" {
		c.leases.Add(1)
	}
	return tree, lease, err
}

func (c *counted) Put(ctx context.Context, lease string, tree []byte) error {
	c.puts.Add(1)
	return c.Trees.Put(ctx, lease, tree)
}

// gone is a place that cannot be reached.
type gone struct{}

var errGone = errors.New("it is away")

func (gone) Get(context.Context) ([]byte, string, error) { return nil, "", errGone }
func (gone) Put(context.Context, string, []byte) error   { return errGone }
func (gone) Drop(context.Context) error                  { return errGone }

// lent is a place of which somebody else has the lease, and brings nothing.
type lent struct{ gone }

func (lent) Get(context.Context) ([]byte, string, error) { return nil, "", nil }

func TestTree(t *testing.T) {
	t.Parallel()

	// slugs are the categories that an instance shows.
	slugs := func(s *shop, instance int) (list []string) {
		var tree app.CategoryTree
		webtest.New(s.t, web.Options{}, app.NewHTTP(s.instances[instance])).Do("", "GET", "/v1/categories", "").Is(200).Into(&tree)
		for _, c := range tree.Items {
			list = append(list, c.Slug)
		}
		return list
	}
	create := func(s *shop, slug string) {
		s.t.Helper()
		_, err := s.service().CreateCategory(s.ctx, app.CategoryFields{Slug: slug, Name: slug, Position: 1})
		require.NoError(s.t, err)
	}

	t.Run("IsReadOnceForAll", func(t *testing.T) {
		t.Parallel()

		shared := &counted{Trees: memory.NewTrees(clock.System, time.Minute)}
		s := setupWith(t, pgtest.New(t, "catalog"), func() app.Trees { return shared })
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if got := slugs(s, i%2); len(got) != 1 {
					t.Errorf("shown: %v", got)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, shared.leases.Load())
		require.EqualValues(t, 1, shared.puts.Load())
	})

	t.Run("AnEditIsHeard", func(t *testing.T) {
		t.Parallel()

		shared := memory.NewTrees(clock.System, time.Minute)
		s := setupWith(t, pgtest.New(t, "catalog"), func() app.Trees { return shared })
		require.Equal(t, []string{"goods"}, slugs(s, 0))
		require.Equal(t, []string{"goods"}, slugs(s, 1))
		create(s, "shoes")
		require.Equal(t, []string{"goods", "shoes"}, slugs(s, 0), "who changed it sees it")
		await(t, "the other sees it", func() bool { return len(slugs(s, 1)) == 2 })

		// Whoever changed it dies before it can say so, and another instance hears of it.
		_, err := s.pool.Exec(t.Context(), `UPDATE catalog.categories SET slug = 'boots' WHERE slug = 'shoes'`)
		require.NoError(t, err)
		require.Equal(t, []string{"goods", "shoes"}, slugs(s, 1))
		for _, sub := range app.Subscriptions(s.instances[1]) {
			if sub.Type == (catalog.CategoryChanged{}).EventType() {
				require.NoError(t, pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error {
					return sub.Handle(t.Context(), tx, bus.Envelope{Type: sub.Type, Data: []byte("{}")})
				}))
			}
		}
		require.Equal(t, []string{"goods", "boots"}, slugs(s, 1))
		await(t, "the other sees it", func() bool { return slugs(s, 0)[1] == "boots" })
	})

	for name, place := range map[string]app.Trees{"WithoutItsPlace": gone{}, "WhenNobodyBringsIt": lent{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := setupWith(t, pgtest.New(t, "catalog"), func() app.Trees { return place })
			for i := range s.instances {
				require.Equal(t, []string{"goods"}, slugs(s, i))
			}
			create(s, "shoes")
			require.Equal(t, []string{"goods", "shoes"}, slugs(s, 0))
			require.NotZero(t, s.product(1))
		})
	}
}
