package app_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/storetest"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestTruth(t *testing.T) {
	t.Parallel()

	storetest.RunStore(t, func(t *testing.T) storetest.Store {
		pool := pgtest.New(t, "catalog")
		_, err := pool.Exec(t.Context(), `INSERT INTO catalog.categories (id, slug, name, name_en, created_at, updated_at) VALUES ($1, 'goods', '상품', 'Goods', now(), now())`, storetest.Category)
		require.NoError(t, err)
		return storetest.Store{Store: app.NewTruth(pool), Put: func(t *testing.T, documents ...app.Document) {
			for _, d := range documents {
				left := map[catalog.Availability]int64{catalog.SoldOut: 0, catalog.Low: 1, catalog.InStock: 11}[d.Availability]
				_, err := pool.Exec(t.Context(), `
					WITH product AS (
						INSERT INTO catalog.products (id, category_id, name, name_en, brand, color, size, list_price_won, price_won, description, tags, image_url, image_urls,
						                              limit_per_customer, state, sale_stopped, sales_count, doc_version, created_at, updated_at, published_at)
						VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, nullif($12, ''), $20, $13, CASE WHEN $14 THEN 'published' ELSE 'hidden' END, NOT $15, $16, $17, $18, $18, $18)
						ON CONFLICT (id) DO UPDATE SET state = excluded.state, doc_version = excluded.doc_version
						RETURNING id
					)
					INSERT INTO catalog.pools (id, product_id, on_hand) SELECT id, id, $19 FROM product ON CONFLICT DO NOTHING`,
					d.ID, d.CategoryID, d.Name, d.NameEn, d.Brand, d.Color, d.Size, d.ListPriceWon, d.PriceWon, d.Description, d.Tags, d.ImageURL,
					d.LimitPerCustomer, d.Visible, d.OnSale, d.SalesCount, d.Version, d.PublishedAt, left, d.ImageURLs)
				require.NoError(t, err)
			}
		}}
	})
}

// hanging is a store that answers nobody.
type hanging struct{}

func (hanging) Standings(ctx context.Context, _ []uuid.UUID) (map[uuid.UUID]app.Standing, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) Documents(ctx context.Context, _ []uuid.UUID) (map[uuid.UUID]app.Document, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestStoreThatHangs(t *testing.T) {
	t.Parallel()

	s := setup(t)
	id := s.product(20)
	s.instances[1] = s.instance(func(p *app.Parts) { p.Store = hanging{} })
	for range 7 { // it is left alone after a few
		require.Equal(t, id, s.detail(1, id).ID)
		s.clock.Advance(time.Second)
	}
}

// behind is a store that is away when it is told to be, and else has what there was when it was made.
type behind struct {
	app.Store
	documents map[uuid.UUID]app.Document
	away      func() // nil: it is there
}

func (b *behind) Documents(context.Context, []uuid.UUID) (map[uuid.UUID]app.Document, error) {
	if b.away != nil {
		b.away()
		return nil, errors.New("away")
	}
	return b.documents, nil
}

func (b *behind) Standings(context.Context, []uuid.UUID) (map[uuid.UUID]app.Standing, error) {
	if b.away != nil {
		b.away()
		return nil, errors.New("away")
	}
	standings := map[uuid.UUID]app.Standing{}
	for id, d := range b.documents {
		standings[id] = d.Standing()
	}
	return standings, nil
}

// slow is a store whose standings wait for the test.
type slow struct {
	app.Store
	asked atomic.Int64
	open  chan struct{}
}

func (s *slow) Standings(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]app.Standing, error) {
	s.asked.Add(1)
	select {
	case <-s.open:
		return s.Store.Standings(ctx, ids)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Nobody waits for a look at what is asked for often: it is shown until it is too old, and looked at before, once for all.
func TestDetailsAreLookedAtAhead(t *testing.T) {
	t.Parallel()

	s := setup(t)
	id := s.product(20)
	store := &slow{Store: app.NewTruth(s.pool), open: make(chan struct{})}
	s.instances[1] = s.instance(func(p *app.Parts) { p.Store = store })
	s.detail(1, id)
	s.clock.Advance(400 * time.Millisecond)
	s.detail(1, id)
	require.Zero(t, store.asked.Load(), "it is young")
	s.price(id, 1000) // by another instance
	s.clock.Advance(450 * time.Millisecond)
	for range 10 {
		require.EqualValues(t, 99_900, s.detail(1, id).PriceWon, "while it is looked at")
	}
	await(t, "the look", func() bool { return store.asked.Load() == 1 })
	close(store.open)
	await(t, "what it saw", func() bool { return s.detail(1, id).PriceWon == 1000 })
	require.EqualValues(t, 1, store.asked.Load())
}

// What a process has shown while the store was away it does not take back when that comes again behind the truth, whatever else was changed
// in the process while it read.
func TestStoreThatComesBackBehind(t *testing.T) {
	t.Parallel()

	for what, meanwhile := range map[string]bool{"": false, "AndSomethingWasChangedMeanwhile": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			id, other := s.product(20), s.product(20)
			documents, err := app.NewTruth(s.pool).Documents(t.Context(), []uuid.UUID{id, other})
			require.NoError(t, err)
			store := &behind{documents: documents}
			s.instances[1] = s.instance(func(p *app.Parts) { p.Store = store })
			require.EqualValues(t, 99_900, s.detail(1, id).PriceWon)

			s.price(id, 1000) // by another instance
			store.away = func() {
				if meanwhile {
					_, err := s.instances[1].EditProduct(s.ctx, other, "*", func(f *app.Fields) { f.PriceWon-- })
					require.NoError(t, err)
				}
			}
			s.clock.Advance(time.Second)
			require.EqualValues(t, 1000, s.detail(1, id).PriceWon)
			store.away = nil
			for range 3 {
				require.EqualValues(t, 1000, s.detail(1, id).PriceWon)
				s.clock.Advance(time.Second)
			}
		})
	}
}
