package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
)

// projector is another instance's each time.
func (s *shop) projector(p app.Projection) *app.Projector {
	return app.NewProjector("test", p, s.pool, s.clock.Now, slog.New(slog.DiscardHandler))
}

// project runs the projector until it has no more to do.
func (s *shop) project(p *app.Projector) {
	s.t.Helper()
	require.NoError(s.t, s.service().PublishChanges(s.t.Context()))
	s.clock.Advance(time.Second) // what was written lately may be written again
	require.NoError(s.t, p.Run(s.t.Context()))
}

// unread makes retired generations so old that nobody reads them.
func (s *shop) unread() {
	s.t.Helper()
	_, err := s.pool.Exec(s.t.Context(), `UPDATE catalog.projections SET retired_at = retired_at - interval '1 minute'`)
	require.NoError(s.t, err)
}

// equal fails the test unless the projection is what the truth says.
func (s *shop) equal(p *app.Projector) {
	s.t.Helper()
	require.Empty(s.t, s.compare(p))
}

// compare is what the projection's book says of products, all of which are at rest.
func (s *shop) compare(p *app.Projector) []string {
	s.t.Helper()
	require.Zero(s.t, s.count(`SELECT count(*) FROM catalog.product_marks`))
	s.clock.Advance(time.Minute)
	found, err := p.Book().Check(s.t.Context(), "")
	require.NoError(s.t, err)
	var wrong []string
	for _, m := range found.Wrong {
		wrong = append(wrong, m.Subject+": "+m.Detail)
	}
	return wrong
}

func TestProjector(t *testing.T) {
	t.Parallel()

	t.Run("MakesAGenerationAndFollows", func(t *testing.T) {
		t.Parallel()

		s, store := setup(t), newShelves()
		id := s.product(20)
		draft, err := s.service().CreateProduct(s.ctx, fields(s, "초안"))
		require.NoError(t, err)
		p := s.projector(store)
		s.project(p)
		require.Len(t, store.made(), 1)
		current := store.made()[0]
		require.Equal(t, current, store.current)
		require.Equal(t, "나이키 러닝 운동화", store.has(current, id).Name)
		require.False(t, store.has(current, draft.ID).Visible)

		s.price(id, 89_900)
		s.project(p)
		require.EqualValues(t, 89_900, store.has(current, id).PriceWon)
		_, err = s.reserve(0, uuid.New(), catalog.Line{ProductID: id, Quantity: 20})
		require.NoError(t, err)
		require.NoError(t, s.service().PublishChanges(t.Context()))
		s.project(p)
		require.Equal(t, catalog.SoldOut, store.has(current, id).Availability)
		_, err = s.service().ActOnProduct(s.ctx, id, "hide", "")
		require.NoError(t, err)
		s.project(p)
		require.False(t, store.has(current, id).Visible)
		require.Equal(t, []string{current}, store.made())
		s.equal(p)
	})

	// A transaction that began long before others and commits after them is met by whoever goes on from the place that was kept.
	t.Run("MissesNothingThatCommitsLate", func(t *testing.T) {
		t.Parallel()

		s, store := setup(t), newShelves()
		late, other := s.product(20), s.product(20)
		first := s.projector(store)
		s.project(first)
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		_, err = tx.Exec(t.Context(), `UPDATE catalog.products SET name = '늦게', doc_version = doc_version + 1 WHERE id = $1`, late)
		require.NoError(t, err)
		for n := range 3 {
			s.price(other, int64(1000+n))
			s.project(first)
		}
		require.EqualValues(t, 1002, store.has(store.current, other).PriceWon)
		require.NoError(t, tx.Commit(t.Context()))
		second := s.projector(store)
		s.project(second)
		require.Equal(t, "늦게", store.has(store.current, late).Name)
		s.equal(second)
	})

	t.Run("WritesAProductOnceASecond", func(t *testing.T) {
		t.Parallel()

		s, store := setup(t), newShelves()
		id, other := s.product(20), s.product(20)
		p := s.projector(store)
		s.project(p)
		var written []int64
		store.written = func(_ string, d app.Document) {
			if d.ID == id {
				written = append(written, d.PriceWon)
			}
		}
		s.clock.Advance(time.Second)
		for n := range 12 { // three seconds
			s.price(id, int64(1000+n))
			if n == 5 {
				s.price(other, 777) // whoever waits holds up nobody else
			}
			require.NoError(t, p.Run(t.Context()))
			if n == 5 {
				require.EqualValues(t, 777, store.has(store.current, other).PriceWon)
			}
			s.clock.Advance(250 * time.Millisecond)
		}
		require.Equal(t, []int64{1000, 1004, 1008}, written)
		s.project(p)
		require.Equal(t, []int64{1000, 1004, 1008, 1011}, written, "the last of them is not lost")
	})

	// What waits is met by another instance too, though the first one had read beyond it.
	t.Run("WhatWaitsIsKept", func(t *testing.T) {
		t.Parallel()

		s, store := setup(t), newShelves()
		id := s.product(20)
		p := s.projector(store)
		s.project(p)
		s.project(p)
		s.clock.Advance(500 * time.Millisecond)
		s.price(id, 1000)
		require.NoError(t, p.Run(t.Context()))
		s.price(id, 2000)
		s.clock.Advance(700 * time.Millisecond) // the place is kept again, and the product still has to wait
		require.NoError(t, p.Run(t.Context()))
		require.EqualValues(t, 1000, store.has(store.current, id).PriceWon)
		s.project(s.projector(store))
		require.EqualValues(t, 2000, store.has(store.current, id).PriceWon)
	})

	// original 54: a product was sent to the index before its commit, once, and whatever became of that.
	t.Run("LosesNothingOfAnOutage", func(t *testing.T) {
		t.Parallel()

		s, store := setup(t), newShelves()
		ids := []uuid.UUID{s.product(20), s.product(20), s.product(20)}
		p := s.projector(store)
		away := errors.New("away")
		store.refuse = away
		require.ErrorIs(t, p.Run(t.Context()), away)
		require.NoError(t, p.Run(t.Context()), "it is left alone for a second")
		store.refuse = nil
		s.project(p)
		s.equal(p)

		for n, id := range ids {
			store.refuse = away
			s.price(id, int64(1000+n))
			s.clock.Advance(time.Second)
			require.ErrorIs(t, p.Run(t.Context()), away)
			store.refuse = nil
			s.project(p)
			require.EqualValues(t, 1000+n, store.has(store.current, id).PriceWon)
		}
		s.equal(p)
		require.Len(t, store.made(), 1)
	})

	t.Run("ToldTooLate", func(t *testing.T) {
		t.Parallel()

		s, store := setup(t), newShelves()
		s.product(20)
		registry := prometheus.NewRegistry()
		registry.MustRegister(app.NewLag(s.pool, "test"))
		lag := func() (seconds float64, told bool) {
			families, err := registry.Gather()
			require.NoError(t, err)
			for _, f := range families {
				require.Equal(t, "shop_catalog_projection_lag_seconds", f.GetName())
				return f.GetMetric()[0].GetGauge().GetValue(), true
			}
			return 0, false
		}
		_, told := lag()
		require.False(t, told)
		s.project(s.projector(store))
		_, err := s.pool.Exec(t.Context(), `UPDATE catalog.projections SET caught_up_at = caught_up_at - interval '1 hour'`)
		require.NoError(t, err)
		seconds, told := lag()
		require.True(t, told)
		require.GreaterOrEqual(t, seconds, 3600.0)
		s.project(s.projector(store))
		seconds, _ = lag()
		require.Less(t, seconds, 3600.0)
	})
}

// original 54: nothing could make the index anew. vendure#1120 (T23): who could, ran out of memory, and began again from the start.
func TestReindex(t *testing.T) {
	t.Parallel()

	// reindex asks for a new generation, and has others work on it until it is there.
	reindex := func(s *shop, store *shelves, work func()) {
		s.t.Helper()
		done := make(chan error, 1)
		asked := s.projector(store)
		go func() { done <- asked.Reindex(s.t.Context(), func(int64) {}) }()
		for {
			select {
			case err := <-done:
				require.NoError(s.t, err)
				return
			default:
				work()
				s.unread()
			}
		}
	}

	// More products than a page has, changes while they are written, and an instance that dies after each page.
	t.Run("UnderTraffic", func(t *testing.T) {
		t.Parallel()

		s, store := setup(t), newShelves()
		require.NoError(t, seed.Fill(t.Context(), s.pool, 4500, nil))
		s.project(s.projector(store))
		before := store.current
		s.equal(s.projector(store))

		written, changes := 0, 0
		store.written = func(generation string, _ app.Document) {
			if generation == before {
				return
			}
			if written++; written%500 == 0 && changes < 40 {
				changes++
				_, err := s.pool.Exec(t.Context(), `UPDATE catalog.products SET color = $1, doc_version = doc_version + 1 WHERE id = ANY ($2)`,
					fmt.Sprint("색 ", changes), []uuid.UUID{seed.IDOf(changes * 37), seed.IDOf(4499 - changes*37)})
				require.NoError(t, err)
			}
		}
		instances := 0
		reindex(s, store, func() {
			ctx, die := context.WithCancel(t.Context())
			defer die()
			pages := 0
			instances++
			s.clock.Advance(time.Second)
			_ = s.projector(&interrupted{shelves: store, put: func(generation string) {
				if pages++; generation != before && pages > 1 { // the first page is kept, and the second is written in vain
					die()
				}
			}}).Run(ctx)
		})
		require.NotEqual(t, before, store.current)
		require.Equal(t, []string{store.current}, store.made())
		require.Greater(t, changes, 5)
		require.Greater(t, instances, 2)
		last := s.projector(store)
		s.project(last)
		s.equal(last)
		require.Equal(t, "색 1", store.has(store.current, seed.IDOf(37)).Color)
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.projections`))
	})

	t.Run("ReadersSeeTheOldOneUntilTheNewOneIsWhole", func(t *testing.T) {
		t.Parallel()

		s, store := setup(t), newShelves()
		require.NoError(t, seed.Fill(t.Context(), s.pool, 2500, nil))
		p := s.projector(store)
		s.project(p)
		before := store.current
		store.written = func(generation string, _ app.Document) {
			if generation != before {
				require.Equal(t, before, store.current)
				require.Len(t, store.generations[before], 2500)
			}
		}
		reindex(s, store, func() { s.project(s.projector(store)) })
		require.Len(t, store.generations[store.current], 2500)
	})

	// The store has what never was, in versions that are still to come.
	t.Run("OfARestoredDatabase", func(t *testing.T) {
		t.Parallel()

		s, store := owned(t), newShelves()
		kept, gone := s.product(20), s.product(20)
		p := s.projector(store)
		s.project(p)
		s.exec(`CREATE TABLE public.backup AS SELECT * FROM catalog.products; CREATE TABLE public.places AS SELECT * FROM catalog.projections`)
		for n := range 3 {
			s.price(kept, int64(1000+n))
		}
		later := s.product(20)
		s.project(p)
		s.exec(`TRUNCATE catalog.projections; INSERT INTO catalog.projections SELECT * FROM public.places`)
		s.exec(`UPDATE catalog.products p SET price_won = b.price_won, doc_version = b.doc_version FROM public.backup b WHERE b.id = p.id`)
		s.exec(fmt.Sprintf(`DELETE FROM catalog.stock_movements WHERE pool_id = '%[1]s'; DELETE FROM catalog.pools WHERE id = '%[1]s'; DELETE FROM catalog.products WHERE id = '%[1]s'`, later))
		s.price(gone, 5000)

		restored := s.projector(store)
		s.project(restored)
		require.Len(t, s.compare(restored), 2, "what is newer than the truth, and what the truth does not know")
		reindex(s, store, func() { s.project(s.projector(store)) })
		s.equal(s.projector(store))
		require.EqualValues(t, 99_900, store.has(store.current, kept).PriceWon)
		require.Zero(t, store.has(store.current, later).ID)
	})

	// What was begun before the restore is not gone on with: it has documents of a time that never came.
	t.Run("BegunBeforeTheRestore", func(t *testing.T) {
		t.Parallel()

		s, store := setup(t), newShelves()
		require.NoError(t, seed.Fill(t.Context(), s.pool, 2500, nil))
		ctx, die := context.WithCancel(t.Context())
		require.Error(t, s.projector(&interrupted{shelves: store, put: func(string) { die() }}).Run(ctx))
		begun := store.made()
		require.Len(t, begun, 1)
		_, err := s.pool.Exec(t.Context(), `UPDATE catalog.projections SET begun_under = 'the one that broke'`)
		require.NoError(t, err)
		p := s.projector(store)
		s.project(p)
		require.NotContains(t, []string{begun[0], ""}, store.current)
		s.unread()
		s.project(p)
		require.Equal(t, []string{store.current}, store.made())
		s.equal(p)
	})

	t.Run("OfAStoreThatIsLost", func(t *testing.T) {
		t.Parallel()

		for name, lose := range map[string]func(*shelves){
			"entirely":       func(s *shelves) { s.current = ""; clear(s.generations) },
			"its documents":  func(s *shelves) { clear(s.generations) },
			"for an unknown": func(s *shelves) { s.current = "7"; s.generations["7"] = map[uuid.UUID]app.Document{} },
		} {
			s, store := setup(t), newShelves()
			id := s.product(20)
			p := s.projector(store)
			s.project(p)
			lost := store.current
			store.set(lose)
			s.price(id, 1000)
			s.project(p)
			require.NotContains(t, []string{lost, "", "7"}, store.current, name)
			s.unread()
			s.project(p)
			require.Equal(t, []string{store.current}, store.made(), name)
			s.equal(p)
		}
	})
}

// interrupted is a projection to which something happens after each write.
type interrupted struct {
	*shelves
	put func(generation string)
}

func (i *interrupted) PutInto(ctx context.Context, generation string, documents []app.Document) error {
	err := i.shelves.PutInto(ctx, generation, documents)
	i.put(generation)
	return err
}

func TestProjectionBook(t *testing.T) {
	t.Parallel()

	s, store := setup(t), newShelves()
	id, hidden := s.product(20), s.product(20)
	_, err := s.service().ActOnProduct(s.ctx, hidden, "hide", "")
	require.NoError(t, err)
	require.NoError(t, s.service().PublishChanges(t.Context()))
	p := s.projector(store)
	require.Empty(t, s.compare(p), "nobody reads it yet")
	s.project(p)
	s.equal(p)

	stored := store.has(store.current, id)
	shown := store.has(store.current, hidden)
	for what, plant := range map[string]func(documents map[uuid.UUID]app.Document){
		"is missing":        func(d map[uuid.UUID]app.Document) { delete(d, id) },
		"is older":          func(d map[uuid.UUID]app.Document) { older := stored; older.Version--; d[id] = older },
		"is newer":          func(d map[uuid.UUID]app.Document) { newer := stored; newer.Version++; d[id] = newer },
		"is less available": func(d map[uuid.UUID]app.Document) { sold := stored; sold.Availability = catalog.SoldOut; d[id] = sold },
		"is taken out":      func(d map[uuid.UUID]app.Document) { out := stored; out.Visible = false; d[id] = out },
		"shows what is not": func(d map[uuid.UUID]app.Document) { out := shown; out.Visible = true; d[hidden] = out },
		"knows what is not": func(d map[uuid.UUID]app.Document) { other := stored; other.ID = uuid.New(); d[other.ID] = other },
	} {
		store.set(func(x *shelves) { plant(x.generations[x.current]) })
		require.NotEmpty(t, s.compare(p), what)
		store.set(func(x *shelves) {
			x.generations[x.current] = map[uuid.UUID]app.Document{id: stored, hidden: shown}
		})
		s.equal(p)
	}

	// What has changed lately is left for later.
	s.price(id, 1000)
	found, err := p.Book().Check(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, found.Wrong)
	require.NotEmpty(t, s.compare(p))
}
