package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/outbox"
)

func order(account uuid.UUID) ordering.Change {
	return ordering.Change{
		OrderID: uuid.New(), Version: 3, Number: "SASA-1", AccountID: account, State: ordering.StatePaid, TotalWon: 39000, At: began,
		Lines: []ordering.Line{{ProductID: uuid.New(), Name: "무선 키보드", Quantity: 1, UnitPriceWon: 19000}, {ProductID: uuid.New(), Name: "마우스", Quantity: 2, UnitPriceWon: 10000}},
	}
}

func envelope(e outbox.Event) bus.Envelope {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	source, err := outbox.SourceOf(e.EventType())
	if err != nil {
		panic(err)
	}
	return bus.Envelope{
		ID: uuid.Must(uuid.NewV7()), Source: source, Type: e.EventType(), Key: e.AggregateID(),
		AggregateVersion: e.AggregateVersion(), OccurredAt: began, Data: data,
	}
}

// once is a bus that brings one batch.
type once struct {
	bus.Transport
	batch []bus.Envelope
	done  context.CancelFunc
}

func (o once) Consume(ctx context.Context, g *bus.Group) error {
	defer o.done()
	_, err := g.Take(ctx, func(context.Context, pgx.Tx) ([]bus.Envelope, error) { return o.batch, nil }, nil)
	return err
}

// hear brings events to the module, as the bus does.
func (s *shop) hear(batch ...bus.Envelope) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	known := []string{"ordering.paid.v1", "ordering.shipped.v1", "ordering.delivered.v1", "ordering.canceled.v1", "ordering.expired.v1", "ordering.rejected.v1", "ordering.confirmed.v1", "ordering.refunded.v1", "ordering.refund_refused.v1", "catalog.restocked.v1"}
	consumers, err := bus.NewConsumers(bus.ConsumersConfig{
		Subscriptions: app.Subscriptions(s.service), Known: known, Transport: once{batch: batch, done: cancel},
		Pool: func(string) *pgxpool.Pool { return s.pool }, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(s.t, err)
	require.NoError(s.t, consumers.Run(ctx))
	require.Zero(s.t, s.count(`SELECT count(*) FROM accounts.parked`))
}

func TestNotifications(t *testing.T) {
	t.Parallel()

	t.Run("TellWhatHappensToAnOrder", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		c := order(id)
		s.hear(
			envelope(ordering.Paid{Change: c}),
			envelope(ordering.Shipped{Change: c, Carrier: "CJ대한통운", InvoiceNumber: "1234567890"}),
			envelope(ordering.Delivered{Change: c}),
			envelope(ordering.Canceled{Change: c}),
			envelope(ordering.Expired{Change: c}),
			envelope(ordering.Refunded{Change: c, Refund: ordering.Refund{
				RefundID: uuid.New(), Returned: []ordering.ReturnedLine{{ProductID: c.Lines[1].ProductID}}, MoneyWon: 9500,
			}}),
			envelope(ordering.Refunded{Change: c, Refund: ordering.Refund{
				RefundID: uuid.New(), Whole: true, Returned: []ordering.ReturnedLine{{ProductID: c.Lines[0].ProductID}, {ProductID: c.Lines[1].ProductID}}, MoneyWon: 29000,
			}}),
			envelope(ordering.RefundRefused{Change: c, Refund: ordering.Refund{RefundID: uuid.New()}}),
		)
		korean := s.ask("GET", "/v1/me/notifications", own.Access, nil)
		require.Equal(t, "ko", korean.Header.Get("Content-Language"))
		require.Contains(t, korean.Header.Get("Vary"), "Accept-Language")
		english := s.askFrom("203.0.113.7:1", "GET", "/v1/me/notifications", own.Access, nil, "Accept-Language", "fr, en-GB;q=0.8, ko;q=0.5")
		require.Equal(t, "en", english.Header.Get("Content-Language"))

		for _, c := range []struct {
			answer answer
			want   [][2]string
		}{
			{korean, [][2]string{
				{"환불이 완료되었습니다", "무선 키보드 외 1건, 29,000원 (주문번호 SASA-1)"},
				{"환불이 완료되었습니다", "마우스, 9,500원 (주문번호 SASA-1)"},
				{"결제 시간이 지나 주문이 종료되었습니다", "무선 키보드 외 1건 (주문번호 SASA-1)"},
				{"주문이 취소되었습니다", "무선 키보드 외 1건 (주문번호 SASA-1)"},
				{"배송이 완료되었습니다", "무선 키보드 외 1건 (주문번호 SASA-1)"},
				{"배송이 시작되었습니다", "무선 키보드 외 1건, CJ대한통운 송장번호 1234567890 (주문번호 SASA-1)"},
				{"결제가 완료되었습니다", "무선 키보드 외 1건, 39,000원 (주문번호 SASA-1)"},
			}},
			{english, [][2]string{
				{"Your refund is complete", "무선 키보드 and 1 more, 29,000 won (order SASA-1)"},
				{"Your refund is complete", "마우스, 9,500 won (order SASA-1)"},
				{"Your order was not paid in time", "무선 키보드 and 1 more (order SASA-1)"},
				{"Your order was canceled", "무선 키보드 and 1 more (order SASA-1)"},
				{"Your parcel has arrived", "무선 키보드 and 1 more (order SASA-1)"},
				{"Your parcel is on its way", "무선 키보드 and 1 more, CJ대한통운 invoice 1234567890 (order SASA-1)"},
				{"Your payment is complete", "무선 키보드 and 1 more, 39,000 won (order SASA-1)"},
			}},
		} {
			var got [][2]string
			for _, n := range itemsOf[app.Notification](c.answer) {
				got = append(got, [2]string{n.Title, n.Body})
				require.Equal(t, "SASA-1", n.OrderNumber)
				require.Equal(t, began, n.CreatedAt)
			}
			require.Equal(t, c.want, got)
		}
	})

	t.Run("TellThatAProductCanBeHadAgain", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		other, others := s.shopper("minho@example.com")
		gone, left := s.shopper("sora@example.com")
		s.ask("DELETE", "/v1/me", left.Access, nil).Is(204)
		restocked := catalog.Restocked{
			RestockID: uuid.New(), ProductID: uuid.New(), ProductName: "나이키 러닝 운동화", AccountIDs: []uuid.UUID{id, gone, other, uuid.New()}, At: began,
		}
		told := envelope(restocked)
		s.hear(told, told)
		_, err := s.pool.Exec(t.Context(), `DELETE FROM accounts.inbox`) // as after its retention
		require.NoError(t, err)
		s.hear(told)
		require.Equal(t, 2, s.count(`SELECT count(*) FROM accounts.notifications`))

		for _, token := range []string{own.Access, others.Access} {
			for language, title := range map[string]string{"ko": "기다리시던 상품이 재입고되었습니다", "en": "What you waited for is back in stock"} {
				list := itemsOf[app.Notification](s.askFrom("203.0.113.7:1", "GET", "/v1/me/notifications", token, nil, "Accept-Language", language))
				require.Len(t, list, 1)
				want := app.Notification{
					ID: list[0].ID, Kind: "product_restocked", Title: title, Body: "나이키 러닝 운동화", ProductID: &restocked.ProductID, CreatedAt: began,
				}
				require.Equal(t, want, list[0])
			}
		}
	})

	t.Run("OnceForEachEvent", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, _ := s.shopper("jieun@example.com")
		paid, again := envelope(ordering.Paid{Change: order(id)}), envelope(ordering.Paid{Change: order(id)})
		s.hear(paid, paid)
		together(4, func(int) error { s.hear(paid); return nil })
		require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.notifications`))
		_, err := s.pool.Exec(t.Context(), `DELETE FROM accounts.inbox`) // as after its retention
		require.NoError(t, err)
		s.hear(paid)
		require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.notifications`))
		s.hear(again)
		require.Equal(t, 2, s.count(`SELECT count(*) FROM accounts.notifications`))
	})

	t.Run("NothingIsToldToNobody", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		s.ask("DELETE", "/v1/me", own.Access, nil).Is(204)
		s.hear(envelope(ordering.Paid{Change: order(id)}), envelope(ordering.Paid{Change: order(uuid.New())}))
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.notifications`))
		require.Equal(t, 2, s.count(`SELECT count(*) FROM accounts.inbox`))
	})

	t.Run("AClosingWaitsForWhatIsBeingTold", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		tx, err := s.pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(context.Background()) //nolint:errcheck // it is committed below
		require.NoError(t, app.Subscriptions(s.service)[0].Handle(t.Context(), tx, envelope(ordering.Paid{Change: order(id)})))
		closed := make(chan answer, 1)
		go func() { closed <- s.ask("DELETE", "/v1/me", own.Access, nil) }()
		require.Eventually(t, func() bool {
			return len(closed) == 1 || s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
		}, 10*time.Second, 5*time.Millisecond)
		require.NoError(t, tx.Commit(t.Context()))
		(<-closed).Is(204)
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.notifications`))
	})

	t.Run("AreReadByTheirOwnerOnly", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		_, eve := s.shopper("eve@example.com")
		for range 5 {
			s.hear(envelope(ordering.Paid{Change: order(id)}))
		}
		list := itemsOf[app.Notification](s.ask("GET", "/v1/me/notifications", own.Access, nil))
		require.Len(t, list, 5)
		require.Empty(t, itemsOf[app.Notification](s.ask("GET", "/v1/me/notifications", eve.Access, nil)))
		body := fmt.Sprintf(`{"up_to":%q}`, list[2].ID)
		s.ask("POST", "/v1/me/notifications/read", eve.Access, body).Is(204)
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.notifications WHERE read_at IS NOT NULL`))
		s.ask("POST", "/v1/me/notifications/read", own.Access, body).Is(204)
		for i, n := range itemsOf[app.Notification](s.ask("GET", "/v1/me/notifications", own.Access, nil)) {
			require.Equal(t, i >= 2, n.ReadAt != nil, i)
		}
	})

	t.Run("ComeInPages", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		for range 5 {
			s.hear(envelope(ordering.Paid{Change: order(id)}))
		}
		seen := map[uuid.UUID]bool{}
		var page struct {
			Items []app.Notification `json:"items"`
			Next  string             `json:"next_cursor"`
		}
		for path := "/v1/me/notifications?limit=2"; ; path = "/v1/me/notifications?limit=2&cursor=" + page.Next {
			page.Next = ""
			s.ask("GET", path, own.Access, nil).Is(200).Into(&page)
			require.LessOrEqual(t, len(page.Items), 2)
			for _, n := range page.Items {
				require.False(t, seen[n.ID])
				seen[n.ID] = true
			}
			if page.Next == "" {
				break
			}
		}
		require.Len(t, seen, 5)
		s.ask("GET", "/v1/me/notifications?cursor=x", own.Access, nil).Says(422, "request.bad_cursor")
	})
}

// tryHear hands an event to its handler, in a transaction of its own: past the inbox, as if that had forgotten it.
func (s *shop) tryHear(ctx context.Context, e outbox.Event) error {
	for _, sub := range app.Subscriptions(s.service) {
		if sub.Type == e.EventType() {
			return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return sub.Handle(ctx, tx, envelope(e)) })
		}
	}
	return fmt.Errorf("nobody hears %s", e.EventType())
}
