package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/elastic"
	"github.com/sasapick/shop/internal/catalog/internal/seed"
	"github.com/sasapick/shop/internal/platform/stacktest"
	"github.com/sasapick/shop/internal/platform/web"
)

// listedBy has a shop's lists come from Elasticsearch, over this line, from an alias that ends with the test.
func listedBy(t testing.TB, s *shop, l *line) *elastic.Index {
	t.Helper()
	address, alias := stacktest.Elasticsearch(t)
	index, err := elastic.New(elastic.Config{URL: address, Alias: alias, Transport: &http.Transport{DialContext: l.DialContext}})
	require.NoError(t, err)
	for i := range s.instances {
		s.instances[i] = s.instance(func(p *app.Parts) { p.Index = index })
	}
	return index
}

func TestListsOnElasticsearch(t *testing.T) {
	t.Parallel()

	s, l := setup(t), newLine()
	index := listedBy(t, s, l)
	prices := func() (won map[int64]bool, err error) {
		listed, err := s.instances[1].List(t.Context(), app.Filter{}, web.PageQuery{Limit: 20})
		won = map[int64]bool{}
		for _, item := range listed.Items {
			won[item.PriceWon] = true
		}
		return won, err
	}
	_, err := prices()
	require.ErrorIs(t, err, catalog.ErrSearchUnavailable, "before there is a generation")
	ids := []uuid.UUID{s.product(20), s.product(20), s.product(20)}
	p := s.projector(index)
	s.project(p)
	s.equal(p)
	won, err := prices()
	require.NoError(t, err)
	require.Equal(t, map[int64]bool{99_900: true}, won)

	l.cut()
	for i, id := range ids {
		s.price(id, int64(1000+i))
		s.clock.Advance(time.Second)
		_, err := prices()
		require.ErrorIs(t, err, catalog.ErrSearchUnavailable)
		require.EqualValues(t, 1000+i, s.detail(1, id).PriceWon, "details are fine")
		require.Error(t, p.Run(t.Context()))
	}

	l.mend()
	await(t, "Elasticsearch has caught up", func() bool {
		s.clock.Advance(time.Second)
		return p.Run(t.Context()) == nil
	})
	s.equal(p)
	await(t, "lists show it", func() bool {
		won, err := prices()
		return err == nil && won[1000] && won[1001] && won[1002] && len(won) == 3
	})
}

func FuzzListOnElasticsearch(f *testing.F) {
	s := setup(f)
	index := listedBy(f, s, newLine())
	require.NoError(f, seed.Fill(f.Context(), s.pool, 300, nil))
	s.project(s.projector(index))
	fuzzLists(f, served(f, s))
}
