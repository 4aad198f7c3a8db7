package app_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/platform/web"
)

func TestSchedule(t *testing.T) {
	t.Parallel()

	scheduled := func(s *shop, at time.Time) app.ManagedProduct {
		s.t.Helper()
		f := fields(s, "예약 상품")
		f.PublishAt = &at
		p, err := s.service().CreateProduct(s.ctx, f)
		require.NoError(s.t, err)
		return p
	}

	t.Run("ShowsItAtItsMoment", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		opens := opened.Add(time.Hour)
		p := scheduled(s, opens)
		other := scheduled(s, opens.Add(time.Millisecond))
		s.clock.Advance(time.Hour - time.Millisecond)
		require.NoError(t, s.service().PublishDue(t.Context()))
		require.Zero(t, s.detail(1, p.ID))
		s.clock.Advance(time.Millisecond)
		require.NoError(t, s.service().PublishDue(t.Context()))
		require.Equal(t, "예약 상품", s.detail(0, p.ID).Name)
		require.Zero(t, s.detail(1, p.ID), "another instance shows it a second later")
		s.clock.Advance(time.Second)
		for i := range s.instances {
			d := s.detail(i, p.ID)
			require.Equal(t, opens, *d.PublishedAt)
		}
		require.NoError(t, s.feed.Sync(t.Context()))
		list, err := s.instances[1].List(t.Context(), app.Filter{}, web.PageQuery{Limit: 10})
		require.NoError(t, err)
		require.Equal(t, p.ID, list.Items[0].ID)
		require.Zero(t, s.detail(1, other.ID))

		after, err := s.service().ManagedProduct(t.Context(), p.ID)
		require.NoError(t, err)
		require.Equal(t, "published", after.State)
		require.Nil(t, after.PublishAt)
		require.NotEqual(t, p.ETag(), after.ETag())
		require.EqualValues(t, 2, s.count(`SELECT max(aggregate_version) FROM catalog.outbox WHERE key = $1`, p.ID))
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.audit_log WHERE subject = $1 AND action = 'products.create' AND after ->> 'publish_at' IS NOT NULL`, p.ID.String()))
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.audit_log WHERE subject = $1 AND action = 'products.publish' AND actor_role = 'system'`, p.ID.String()))
	})

	t.Run("OfADraftOnly", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		at := opened.Add(time.Hour).Format(time.RFC3339Nano)
		body := `{"category_id":"` + s.category.String() + `","name":"나이키 운동화","brand":"나이키","list_price_won":100000,"price_won":90000,"publish_at":"` + at + `"}`
		made := s.manage(http.MethodPost, "/admin/products", body).Is(http.StatusCreated)
		require.Equal(t, at, made.Text("publish_at"))
		path := made.Header.Get("Location")
		patch := func(value, etag string) (status int, newETag, publishAt string) {
			a := s.manage(http.MethodPatch, path, `{"publish_at":`+value+`}`, "If-Match", etag)
			return a.Status, a.Header.Get("ETag"), a.Text("publish_at")
		}
		status, etag, got := patch("null", made.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, status)
		require.Empty(t, got)
		seoul := opened.Add(2 * time.Hour).In(time.FixedZone("KST", 9*60*60))
		status, etag, got = patch(`"`+seoul.Format(time.RFC3339Nano)+`"`, etag)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, seoul.UTC().Format(time.RFC3339Nano), got)
		status, same, _ := patch(`"`+got+`"`, etag)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, etag, same, "nothing changed")
		status, _, _ = patch(`"tomorrow"`, etag)
		require.Equal(t, http.StatusUnprocessableEntity, status)

		stopped := s.manage(http.MethodPost, path+"/stop-sale", "").Is(http.StatusOK)
		require.Equal(t, got, stopped.Text("publish_at"), "it is still a draft")
		published := s.manage(http.MethodPost, path+"/publish", "").Is(http.StatusOK)
		require.Empty(t, published.Text("publish_at"))
		status, _, _ = patch(`"`+got+`"`, published.Header.Get("ETag"))
		require.Equal(t, http.StatusUnprocessableEntity, status)
		s.clock.Advance(3 * time.Hour)
		require.NoError(t, s.service().PublishDue(t.Context()))
		require.Equal(t, published.Header.Get("ETag"), s.manage(http.MethodGet, path, "").Header.Get("ETag"))
	})

	// An opening of more than fit one transaction, by two instances at once (one of them was stopped and woke again), among edits.
	t.Run("OnceEach", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		first := scheduled(s, opened)
		_, err := s.pool.Exec(t.Context(), `
			WITH p AS (
				INSERT INTO catalog.products (id, category_id, name, brand, list_price_won, price_won, publish_at, version, created_at, updated_at)
				SELECT gen_random_uuid(), category_id, name, brand, list_price_won, price_won, publish_at, 0, created_at, updated_at
				FROM catalog.products, generate_series(1, 1200) RETURNING id
			) INSERT INTO catalog.pools (id, product_id) SELECT id, id FROM p`)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if err := s.instances[i%2].PublishDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if _, err := s.service().EditProduct(s.ctx, first.ID, "*", func(f *app.Fields) { f.PublishAt = nil; f.Name = "고친 이름" }); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		published := s.count(`SELECT count(*) FROM catalog.products WHERE state = 'published'`)
		require.GreaterOrEqual(t, published, int64(1200))
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.products WHERE publish_at IS NOT NULL`))
		require.Equal(t, published, s.count(`SELECT count(*) FROM catalog.audit_log WHERE action = 'products.publish'`))
		require.Equal(t, published, s.count(`SELECT count(DISTINCT subject) FROM catalog.audit_log WHERE action = 'products.publish'`))
	})

	t.Run("TellsThoseWhoWait", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product, account := s.product(0), uuid.New()
		require.NoError(t, s.waits(account, product))
		_, err := s.pool.Exec(t.Context(), `UPDATE catalog.products SET state = 'draft', publish_at = $1`, opened)
		require.NoError(t, err)
		s.move(product, app.KindReceive, 1)
		require.Empty(t, s.restocks())
		require.NoError(t, s.service().PublishDue(t.Context()))
		s.sound()
		require.Equal(t, map[uuid.UUID]int{account: 1}, told(s.restocks()))
	})
}
