package app_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestMove(t *testing.T) {
	t.Parallel()

	t.Run("NeverBelowWhatIsReserved", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(10)
		_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 6})
		require.NoError(t, err)
		_, _, err = s.tryMove(s.ctx, product, "damage", 5)
		require.ErrorIs(t, err, catalog.ErrStockBelowReserved)
		s.move(product, "damage", 4)
		require.Equal(t, stock{6, 6}, s.stock(product))
		_, _, err = s.tryMove(s.ctx, product, "adjust", -1)
		require.ErrorIs(t, err, catalog.ErrStockBelowReserved)
		s.move(product, "adjust", 3)
		require.Equal(t, stock{9, 6}, s.stock(product))
		for kind, quantity := range map[string]int64{"receive": -1, "damage": -1, "adjust": 0} {
			_, _, err = s.tryMove(s.ctx, product, kind, quantity)
			require.ErrorIs(t, err, web.ErrInvalid, kind)
		}
		_, _, err = s.tryMove(s.ctx, uuid.New(), "receive", 1)
		require.ErrorIs(t, err, catalog.ErrNoProduct)
		s.books()
	})

	t.Run("AgainstReservations", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(60)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if _, err := s.reserve(i, uuid.New(), catalog.Line{ProductID: product, Quantity: 1}); err != nil && !errors.Is(err, catalog.ErrOutOfStock) {
					t.Error(err)
				}
			})
			if i%5 == 0 {
				wg.Go(func() {
					if _, _, err := s.tryMove(s.ctx, product, "damage", 1); err != nil && !errors.Is(err, catalog.ErrStockBelowReserved) {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		got := s.stock(product)
		require.LessOrEqual(t, got.reserved, got.onHand)
		require.Equal(t, got.onHand, got.reserved, "200 came for at most 60: all that is left is held")
		s.books()
	})

	t.Run("SameKeyMovesOnce", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product, other := s.product(10), s.product(10)
		input := func(product uuid.UUID, quantity int64) app.MoveInput {
			return app.MoveInput{
				ProductID: product, Kind: "receive", Quantity: quantity, Reason: "delivery",
				Key: idempotency.Of("delivery-1", "/admin/products/"+product.String()+"/stock-movements", quantity),
			}
		}
		var mu sync.Mutex
		ids, fresh := map[uuid.UUID]bool{}, 0
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				m, replayed, err := s.instances[i%2].Move(s.ctx, input(product, 5))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				ids[m.ID] = true
				if !replayed {
					fresh++
				}
			})
		}
		wg.Wait()
		require.Len(t, ids, 1)
		require.Equal(t, 1, fresh)
		require.Equal(t, stock{15, 0}, s.stock(product))

		_, _, err := s.service().Move(s.ctx, input(product, 6))
		require.ErrorIs(t, err, idempotency.ErrReused)
		_, _, err = s.service().Move(s.ctx, input(other, 5))
		require.ErrorIs(t, err, idempotency.ErrReused)
		require.Equal(t, stock{10, 0}, s.stock(other))
		require.EqualValues(t, 3, s.count(`SELECT count(*) FROM catalog.audit_log WHERE action = 'stock_movements.create'`))
		s.books()
	})

	t.Run("SameKeyForTwoProductsAtOnce", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		products := []uuid.UUID{s.product(0), s.product(0)}
		moved, reused := 0, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				p := products[i%2]
				_, replayed, err := s.service().Move(s.ctx, app.MoveInput{
					ProductID: p, Kind: "receive", Quantity: 1, Reason: "delivery", Key: idempotency.Of("one", p.String(), 1),
				})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && !replayed:
					moved++
				case errors.Is(err, idempotency.ErrReused):
					reused++
				case err != nil:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, moved)
		require.Equal(t, 10, reused)
		s.books()
	})

	t.Run("FewIsATwentiethOfADelivery", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(1000)
		availability := func() catalog.Availability {
			offers, err := s.service().Offers(t.Context(), catalog.OffersInput{ProductIDs: []uuid.UUID{product}})
			require.NoError(t, err)
			return offers.Items[0].Availability
		}
		order := uuid.New()
		_, err := s.reserve(0, order, catalog.Line{ProductID: product, Quantity: 949})
		require.NoError(t, err)
		require.Equal(t, catalog.InStock, availability())
		_, err = s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 1})
		require.NoError(t, err)
		require.Equal(t, catalog.Low, availability())
		s.use(order)
		require.Equal(t, catalog.Low, availability(), "it does not become plenty by being paid")
	})
}

// original 32: what is hidden, or whose sale is stopped, could be ordered all the same, and no limit for a customer was kept. An offer
// tells all of it; ordering keeps to it.
func TestOffers(t *testing.T) {
	t.Parallel()

	s := setup(t)
	root := s.category
	below := func(parent uuid.UUID, slug string) uuid.UUID {
		c, err := s.service().CreateCategory(s.ctx, app.CategoryFields{ParentID: &parent, Slug: slug, Name: slug, NameEn: slug})
		require.NoError(t, err)
		return c.ID
	}
	shoes := below(root, "shoes")
	running := below(shoes, "running")
	s.category = running
	a, b, hidden := s.product(50), s.product(0), s.product(5)
	_, err := s.service().ActOnProduct(s.ctx, hidden, "hide", "")
	require.NoError(t, err)
	draft, err := s.service().CreateProduct(s.ctx, fields(s, "초안"))
	require.NoError(t, err)
	_, err = s.service().ActOnProduct(s.ctx, b, "stop_sale", "")
	require.NoError(t, err)

	offers, err := s.service().Offers(t.Context(), catalog.OffersInput{ProductIDs: []uuid.UUID{b, hidden, uuid.New(), a, draft.ID, b}})
	require.NoError(t, err)
	want := func(id uuid.UUID, availability catalog.Availability, onSale bool) catalog.Offer {
		return catalog.Offer{
			ProductID: id, Name: "나이키 러닝 운동화", Brand: "나이키", PriceWon: 99_900, Availability: availability, OnSale: onSale,
			CategoryIDs: []uuid.UUID{running, shoes, root}, Tags: []string{"신발", "러닝"},
		}
	}
	require.Equal(t, []catalog.Offer{want(b, catalog.SoldOut, false), want(a, catalog.InStock, true)}, offers.Items)

	_, err = s.service().Offers(t.Context(), catalog.OffersInput{ProductIDs: make([]uuid.UUID, 201)})
	require.ErrorIs(t, err, catalog.ErrTooManyProducts)
	offers, err = s.service().Offers(t.Context(), catalog.OffersInput{})
	require.NoError(t, err)
	require.Empty(t, offers.Items)
}

func TestOffersStandInTheTree(t *testing.T) {
	t.Parallel()

	var trees atomic.Int64
	s := watched(t, func(sql string) {
		if strings.Contains(sql, "name: Categories ") {
			trees.Add(1)
		}
	})
	product := s.product(5)
	above := func(instance int) []uuid.UUID {
		t.Helper()
		offers, err := s.instances[instance].Offers(t.Context(), catalog.OffersInput{ProductIDs: []uuid.UUID{product}})
		require.NoError(t, err)
		return offers.Items[0].CategoryIDs
	}
	for range 2 {
		require.Equal(t, []uuid.UUID{s.category}, above(0))
		require.Equal(t, []uuid.UUID{s.category}, above(1))
	}
	trees.Store(0)
	for range 20 {
		above(0)
	}
	require.LessOrEqual(t, trees.Load(), int64(10), "the tree is read once a second, whatever is asked")

	// A category that was made on another instance a moment ago is not in this one's tree.
	young, err := s.instances[1].CreateCategory(s.ctx, app.CategoryFields{ParentID: &s.category, Slug: "young", Name: "새것", NameEn: "Young"})
	require.NoError(t, err)
	p, err := s.service().ManagedProduct(s.ctx, product)
	require.NoError(t, err)
	_, err = s.instances[1].EditProduct(s.ctx, product, p.ETag(), func(f *app.Fields) { f.CategoryID = young.ID })
	require.NoError(t, err)
	for instance := range 2 {
		require.Equal(t, []uuid.UUID{young.ID, s.category}, above(instance))
	}
}
