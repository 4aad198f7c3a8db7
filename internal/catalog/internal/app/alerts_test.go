package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/bus"
)

// waits adds an alert of the account.
func (s *shop) waits(account, product uuid.UUID) error {
	return s.instances[1].AddAlert(shopper(s.t, account), product)
}

func shopper(t testing.TB, account uuid.UUID) context.Context {
	return auth.With(t.Context(), auth.Principal{AccountID: account, Role: auth.Shopper})
}

// restocks does what the jobs do, and returns whom each event has told of what, in all.
func (s *shop) restocks() []catalog.Restocked {
	s.t.Helper()
	require.NoError(s.t, s.service().PublishChanges(s.t.Context()))
	require.NoError(s.t, s.instances[1].TellRestocks(s.t.Context()))
	rows, err := s.pool.Query(s.t.Context(), `SELECT data::text FROM catalog.outbox WHERE type = $1 ORDER BY id`, catalog.Restocked{}.EventType())
	require.NoError(s.t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(s.t, err)
	events := make([]catalog.Restocked, len(texts))
	for i, text := range texts {
		require.NoError(s.t, json.Unmarshal([]byte(text), &events[i]))
	}
	return events
}

// told counts how often each account was.
func told(events []catalog.Restocked) map[uuid.UUID]int {
	times := map[uuid.UUID]int{}
	for _, e := range events {
		for _, account := range e.AccountIDs {
			times[account]++
		}
	}
	return times
}

func TestAlerts(t *testing.T) {
	t.Parallel()

	for name, comes := range map[string]func(s *shop, product, held uuid.UUID){
		"WhenItComesIn":      func(s *shop, product, _ uuid.UUID) { s.move(product, app.KindReceive, 1) },
		"WhenItIsFound":      func(s *shop, product, _ uuid.UUID) { s.move(product, app.KindAdjust, 1) },
		"WhenAnOrderGivesUp": func(s *shop, _, held uuid.UUID) { require.NoError(s.t, s.release(0, held)) },
		"WhenItIsGivenBack": func(s *shop, _, held uuid.UUID) {
			s.use(held)
			require.NoError(s.t, s.release(0, held))
		},
	} {
		t.Run("Tell"+name, func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			product, held := s.product(1), uuid.New()
			one, other, left := uuid.New(), uuid.New(), uuid.New()
			require.ErrorIs(t, s.waits(one, product), catalog.ErrNotSoldOut)
			_, err := s.reserve(0, held, catalog.Line{ProductID: product, Quantity: 1})
			require.NoError(t, err)
			for _, account := range []uuid.UUID{one, other, left, one} {
				require.NoError(t, s.waits(account, product))
			}
			for range 2 {
				require.NoError(t, s.service().DeleteAlert(shopper(t, left), product))
			}
			require.Empty(t, s.restocks())
			s.sound()

			comes(s, product, held)
			s.sound()
			events := s.restocks()
			require.Len(t, events, 1)
			require.Equal(t, product, events[0].ProductID)
			require.Equal(t, "나이키 러닝 운동화", events[0].ProductName)
			require.Equal(t, map[uuid.UUID]int{one: 1, other: 1}, told(events))

			_, err = s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 1})
			require.NoError(t, err)
			s.move(product, app.KindReceive, 1)
			require.Equal(t, events, s.restocks(), "once is enough")
			require.Zero(t, s.count(`SELECT count(*) FROM catalog.restock_looks`))
			s.sound()
		})
	}

	t.Run("WaitUntilItIsOnSale", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product, account := s.product(0), uuid.New()
		require.NoError(t, s.waits(account, product))
		for _, step := range [][2]string{{"stop_sale", "resume_sale"}, {"hide", "publish"}} {
			for _, action := range step {
				require.Empty(t, s.restocks())
				_, err := s.service().ActOnProduct(s.ctx, product, action, "")
				require.NoError(t, err)
				if step[0] == "stop_sale" && action == step[0] {
					s.move(product, app.KindReceive, 1)
				}
				if step[0] == "stop_sale" && action == step[1] { // sold before anybody looked
					_, err := s.reserve(0, uuid.New(), catalog.Line{ProductID: product, Quantity: 1})
					require.NoError(t, err)
				}
				if action == "hide" {
					require.ErrorIs(t, s.waits(uuid.New(), product), catalog.ErrNoProduct)
					s.move(product, app.KindReceive, 1)
				}
			}
		}
		require.Equal(t, map[uuid.UUID]int{account: 1}, told(s.restocks()))
		require.ErrorIs(t, s.waits(account, uuid.New()), catalog.ErrNoProduct)
		s.sound()
	})

	t.Run("AHundredOfAnAccount", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		first, account := s.product(0), uuid.New()
		products := []uuid.UUID{first}
		for range 119 {
			p, err := s.service().CreateProduct(s.ctx, fields(s, "품절"))
			require.NoError(t, err)
			products = append(products, p.ID)
		}
		_, err := s.pool.Exec(t.Context(), `UPDATE catalog.products SET state = 'published', published_at = now()`)
		require.NoError(t, err)
		require.NoError(t, s.waits(account, first))
		var refused atomic.Int64
		var wg sync.WaitGroup
		for _, product := range products {
			wg.Go(func() {
				switch err := s.waits(account, product); {
				case errors.Is(err, catalog.ErrTooManyAlerts):
					refused.Add(1)
				case err != nil:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 20, refused.Load())
		require.EqualValues(t, 100, s.count(`SELECT count(*) FROM catalog.restock_alerts`))
		require.NoError(t, s.waits(account, first), "again")
		require.NoError(t, s.waits(uuid.New(), products[119]), "another account")
	})

	t.Run("EndWithTheAccount", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product, stays, goes := s.product(0), uuid.New(), uuid.New()
		require.NoError(t, s.waits(stays, product))
		require.NoError(t, s.waits(goes, product))
		for _, sub := range app.Subscriptions(s.service()) {
			if sub.Type == (accounts.Closed{}).EventType() {
				data, err := json.Marshal(accounts.Closed{AccountID: goes})
				require.NoError(t, err)
				require.NoError(t, pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error {
					return sub.Handle(t.Context(), tx, bus.Envelope{Type: sub.Type, Key: goes, Data: data})
				}))
			}
		}
		s.move(product, app.KindReceive, 1)
		require.Equal(t, map[uuid.UUID]int{stays: 1}, told(s.restocks()))
	})

	t.Run("GoOutInBatches", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product, other := s.product(0), s.product(0)
		for _, p := range []uuid.UUID{product, other} {
			_, err := s.pool.Exec(t.Context(), `
				INSERT INTO catalog.restock_alerts SELECT $1, gen_random_uuid(), now() FROM generate_series(1, 1300)`, p)
			require.NoError(t, err)
		}
		s.move(product, app.KindReceive, 1)
		events := s.restocks()
		sizes := make([]int, len(events))
		for i, e := range events {
			require.Equal(t, product, e.ProductID)
			sizes[i] = len(e.AccountIDs)
		}
		require.Equal(t, []int{500, 500, 300}, sizes)
		require.Len(t, told(events), 1300)
		require.EqualValues(t, 1300, s.count(`SELECT count(*) FROM catalog.restock_alerts WHERE product_id = $1`, other))
		s.sound()
	})

	// What breaks off before its commit leaves the alerts, and they are told of once all the same.
	t.Run("ABrokenRoundTellsNothing", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		product, account := s.product(0), uuid.New()
		require.NoError(t, s.waits(account, product))
		s.move(product, app.KindReceive, 1)
		require.NoError(t, s.service().PublishChanges(t.Context()))
		s.exec(`ALTER TABLE catalog.outbox ADD CONSTRAINT planted CHECK (type <> 'catalog.restocked.v1') NOT VALID`)
		require.Error(t, s.service().TellRestocks(t.Context()))
		require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.restock_alerts`))
		s.exec(`ALTER TABLE catalog.outbox DROP CONSTRAINT planted`)
		require.Equal(t, map[uuid.UUID]int{account: 1}, told(s.restocks()))
	})

	// The alert is under way when the goods come in, and commits when all that they have marked is done.
	t.Run("OneThatIsLate", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product, account := s.product(0), uuid.New()
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(t.Context()) //nolint:errcheck // after a commit it has nothing to do
		_, err = tx.Exec(t.Context(), `LOCK TABLE catalog.restock_alerts IN SHARE MODE`)
		require.NoError(t, err)
		added := make(chan error, 1)
		go func() { added <- s.waits(account, product) }()
		await(t, "the alert waits", func() bool {
			return s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
		})
		s.move(product, app.KindReceive, 1)
		require.NoError(t, s.service().PublishChanges(t.Context()))
		require.NoError(t, tx.Commit(t.Context()))
		require.NoError(t, <-added)
		s.sound()
		require.Equal(t, map[uuid.UUID]int{account: 1}, told(s.restocks()))
	})

	// Goods come in and sell out while people ask to be told, and the jobs run in two instances: nobody is left out, nobody told twice.
	t.Run("AmongRestocks", func(t *testing.T) {
		t.Parallel()

		s := setup(t)
		product := s.product(0)
		var mu sync.Mutex
		var waiting []uuid.UUID
		var wg sync.WaitGroup
		done := make(chan struct{})
		for i := range 2 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					if err := errors.Join(s.instances[i].PublishChanges(t.Context()), s.instances[i].TellRestocks(t.Context())); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		var people sync.WaitGroup
		for range 4 {
			people.Go(func() {
				for range 50 {
					account := uuid.New()
					switch err := s.waits(account, product); {
					case err == nil:
						mu.Lock()
						waiting = append(waiting, account)
						mu.Unlock()
					case !errors.Is(err, catalog.ErrNotSoldOut):
						t.Error(err)
					}
				}
			})
		}
		people.Go(func() {
			for range 40 {
				for _, by := range []int64{1, -1} {
					if _, _, err := s.tryMove(s.ctx, product, app.KindAdjust, by); err != nil {
						t.Error(err)
					}
				}
			}
		})
		people.Wait()
		close(done)
		wg.Wait()
		s.sound()
		s.move(product, app.KindReceive, 1)
		s.sound()
		want := map[uuid.UUID]int{}
		for _, account := range waiting {
			want[account] = 1
		}
		require.Equal(t, want, told(s.restocks()))
		require.Zero(t, s.count(`SELECT count(*) FROM catalog.restock_alerts`))
		s.sound()
	})
}

func TestAlertsOverHTTP(t *testing.T) {
	t.Parallel()

	s := serve(t)
	path := "/v1/products/" + s.product(0).String() + "/restock-alerts"
	s.Do("", "POST", path, "").Is(401)
	for _, method := range []string{"POST", "POST", "DELETE", "DELETE", "POST"} {
		s.Do("shopper", method, path, "").Is(204)
	}
	require.EqualValues(t, 1, s.count(`SELECT count(*) FROM catalog.restock_alerts`))
	s.Do("shopper", "POST", "/v1/products/"+s.product(1).String()+"/restock-alerts", "").Says(409, "catalog.not_sold_out")
	s.Do("shopper", "POST", "/v1/products/"+uuid.NewString()+"/restock-alerts", "").Says(404, "catalog.no_product")
	s.Do("shopper", "DELETE", "/v1/products/"+uuid.NewString()+"/restock-alerts", "").Says(404, "catalog.no_product")
}

func TestBooksOfAlerts(t *testing.T) {
	t.Parallel()

	for name, sql := range map[string]string{
		"alerts.looked": `INSERT INTO catalog.restock_looks (product_id, asked_at) SELECT id, now() - interval '61 seconds' FROM catalog.products WHERE id = '%s'`,
		"alerts.told":   `INSERT INTO catalog.restock_alerts VALUES ('%s', gen_random_uuid(), now())`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t)
			product := s.product(5)
			require.NoError(t, s.service().PublishChanges(t.Context()))
			s.sound()
			s.exec(fmt.Sprintf(sql, product))
			wrong, _ := s.looked(nil)
			require.Equal(t, map[string][]string{name: {product.String()}}, wrong)
		})
	}
}
