package app_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
)

// shown is what an instance shows of a product; the zero value where it shows none.
type shown struct {
	app.Product
	etag string
	at   *byte // where the bytes are
}

func (s *shop) detail(instance int, id uuid.UUID) shown {
	body, etag, err := s.instances[instance].Detail(s.t.Context(), id)
	if err != nil {
		require.ErrorIs(s.t, err, catalog.ErrNoProduct)
		return shown{}
	}
	d := shown{etag: etag, at: &body.Bytes()[0]}
	require.NoError(s.t, json.Unmarshal(body.Bytes(), &d.Product))
	return d
}

func (s *shop) price(id uuid.UUID, won int64) {
	s.t.Helper()
	_, err := s.service().EditProduct(s.ctx, id, "*", func(f *app.Fields) { f.PriceWon = won })
	require.NoError(s.t, err)
}

func TestDetail(t *testing.T) {
	t.Parallel()

	t.Run("IsASecondOldAtMost", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		id := s.product(20)
		first := s.detail(1, id)
		require.EqualValues(t, 99_900, first.PriceWon)
		s.price(id, 89_900)
		require.EqualValues(t, 89_900, s.detail(0, id).PriceWon, "who changed it sees it")
		s.clock.Advance(999 * time.Millisecond)
		require.Equal(t, first, s.detail(1, id))
		s.clock.Advance(time.Millisecond)
		second := s.detail(1, id)
		require.EqualValues(t, 89_900, second.PriceWon)
		require.NotEqual(t, first.etag, second.etag)

		_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: id, Quantity: 20})
		require.NoError(t, err)
		s.clock.Advance(time.Second)
		third := s.detail(1, id)
		require.Equal(t, catalog.SoldOut, third.Availability)
		require.NotEqual(t, second.etag, third.etag)

		for _, step := range []struct {
			action string
			there  bool
		}{{"hide", false}, {"publish", true}, {"stop_sale", true}} {
			_, err = s.service().ActOnProduct(s.ctx, id, step.action, "")
			require.NoError(t, err, step.action)
			s.clock.Advance(time.Second)
			require.Equal(t, step.there, s.detail(1, id).at != nil, step.action)
		}
		require.False(t, s.detail(1, id).OnSale)
	})

	t.Run("IsEncodedOnce", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		id := s.product(100)
		first := s.detail(1, id)
		_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: id, Quantity: 1}) // which nobody can see
		require.NoError(t, err)
		for range 3 {
			s.clock.Advance(time.Second)
			require.Equal(t, first, s.detail(1, id))
		}
	})

	t.Run("OfAClockThatWasSetBack", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		id := s.product(20)
		s.detail(1, id)
		s.price(id, 89_900)
		s.clock.Advance(-time.Hour)
		require.EqualValues(t, 89_900, s.detail(1, id).PriceWon)
	})

	t.Run("OfWhatComesLater", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		p, err := s.service().CreateProduct(s.ctx, fields(s, "나중에"))
		require.NoError(t, err)
		require.Zero(t, s.detail(1, p.ID), "a draft is nobody's business")
		_, err = s.service().ActOnProduct(s.ctx, p.ID, "publish", "")
		require.NoError(t, err)
		require.Equal(t, "나중에", s.detail(0, p.ID).Name)
		require.Zero(t, s.detail(1, p.ID))
		s.clock.Advance(time.Second)
		require.Equal(t, "나중에", s.detail(1, p.ID).Name)
	})

	t.Run("OfManyAtOnceEachIsItsOwn", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		ids := []uuid.UUID{uuid.New()} // one that there is not
		names := []string{""}
		for i := range 9 {
			name := fmt.Sprintf("상품 %d", i)
			p, err := s.service().CreateProduct(s.ctx, fields(s, name))
			require.NoError(t, err)
			_, err = s.service().ActOnProduct(s.ctx, p.ID, "publish", "")
			require.NoError(t, err)
			ids, names = append(ids, p.ID), append(names, name)
		}
		for range 3 { // unknown, known, and known to be due
			var wg sync.WaitGroup
			got := make([]shown, 200)
			for i := range got {
				wg.Go(func() { got[i] = s.detail(1, ids[i%len(ids)]) })
			}
			wg.Wait()
			for i, d := range got {
				require.Equal(t, names[i%len(ids)], d.Name)
				require.Equal(t, ids[i%len(ids)] == d.ID, i%len(ids) != 0)
			}
			s.clock.Advance(time.Second)
		}
	})

	t.Run("WhoChangesItSeesItAmongReaders", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		id := s.product(20)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						s.detail(0, id)
					}
				}
			})
		}
		for won := range int64(200) {
			s.price(id, won+1)
			if got := s.detail(0, id).PriceWon; got != won+1 {
				t.Errorf("shown %d after it was made %d", got, won+1)
				break
			}
		}
		close(stop)
		wg.Wait()
	})
}
