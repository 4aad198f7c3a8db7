package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
)

// saleor PR#11069 (T16): Toss is slow by 30 s. Others are served, and nothing of the shop's is held meanwhile.
func TestASlowTossIsItsOwnBuyersAffair(t *testing.T) {
	t.Parallel()

	s := setup(t)
	slow, other := s.open(), s.open()
	key := s.authorize(slow, "카드")
	s.toss.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultSlow, DelayMS: 30_000})
	var wg sync.WaitGroup
	wg.Go(func() {
		if p, err := s.confirm(0, slow, key, "k"); err != nil || p.State != payments.StateCaptured {
			t.Errorf("%v %v", p.State, err)
		}
	})
	await(t, "Toss to be asked", func() bool { return len(s.posts("confirm")) == 1 })
	p, err := s.confirm(0, other, s.authorize(other, "카드"), "k")
	require.NoError(t, err)
	require.Equal(t, payments.StateCaptured, p.State, "another buyer is served")
	require.Equal(t, payments.StateConfirming, s.payment(slow).State)
	await(t, "no connection to be held", func() bool { return s.pool.Stat().AcquiredConns() == 0 })
	s.toss.Release()
	wg.Wait()
	s.sound()
}

// medusa#13301, saleor#19220, spree PR#13938, vendure PR#3734 (T4, T24): confirm, webhook and job in every order, after a process that died
// before Toss was asked, or when it had taken the money. There is one capture.
func TestEveryOrder(t *testing.T) {
	t.Parallel()

	for _, died := range []string{"BeforeTossWasAsked", "WhenTossHadTheMoney"} {
		for _, order := range [][]string{
			{"confirm", "webhook", "job"},
			{"confirm", "job", "webhook"},
			{"webhook", "confirm", "job"},
			{"webhook", "job", "confirm"},
			{"job", "confirm", "webhook"},
			{"job", "webhook", "confirm"},
			{"at once"},
		} {
			t.Run(died+"/"+strings.Join(order, ","), func(t *testing.T) {
				t.Parallel()

				s := setup(t, func(c *settings) { c.app.RepeatWithin = time.Millisecond })
				o := s.open()
				key := s.authorize(o, "카드")
				require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
				if died == "WhenTossHadTheMoney" {
					require.Equal(t, app.OutcomePaid, s.instances[0].AskOnly(t.Context(), key).Outcome)
				}
				s.hook(0, "t-1", statusChanged(o, key))
				s.clock.Advance(time.Minute) // the dead one's time is over
				do := map[string]func(){
					"confirm": func() {
						if _, err := s.confirm(1, o, key, "k"); err != nil {
							t.Error(err)
						}
					},
					"webhook": func() {
						if err := s.instances[1].ProcessWebhooks(t.Context()); err != nil {
							t.Error(err)
						}
					},
					"job": func() {
						if err := s.instances[0].Reconcile(t.Context()); err != nil {
							t.Error(err)
						}
					},
				}
				if order[0] == "at once" {
					var wg sync.WaitGroup
					for range 4 {
						for _, act := range do {
							wg.Go(act)
						}
					}
					wg.Wait()
				}
				for _, act := range order {
					if f := do[act]; f != nil {
						f()
					}
				}
				p, err := s.confirm(0, o, key, "k")
				require.NoError(t, err)
				require.Equal(t, payments.StateCaptured, p.State)
				require.Equal(t, []string{"payments.captured.v1"}, s.events(o))
				require.Equal(t, []string{"opened", "confirming", "captured"}, kinds(s.payment(o)))
				require.EqualValues(t, price, s.atToss(key).BalanceAmount)
				s.sound()
			})
		}
	}
}

// watched is a gateway that looks at what is committed whenever it is called.
type watched struct {
	app.Gateway
	look func(call, paymentKey string)
}

func (g watched) Confirm(ctx context.Context, in app.ConfirmRequest) app.Answer {
	g.look("confirm", in.PaymentKey)
	return g.Gateway.Confirm(ctx, in)
}

func (g watched) Cancel(ctx context.Context, in app.CancelRequest) app.Answer {
	g.look("cancel", in.PaymentKey)
	return g.Gateway.Cancel(ctx, in)
}

// spree PR#13938, #9265, PR#4499 (T24): a double click a second apart. That Toss is about to be asked is durable before it is.
func TestItIsDurableBeforeTossIsAsked(t *testing.T) {
	t.Parallel()

	var pool *pgxpool.Pool
	var mu sync.Mutex
	seen := map[string][]string{}
	s := setup(t, func(c *settings) {
		c.gateway = func(g app.Gateway) app.Gateway {
			return watched{g, func(call, paymentKey string) {
				var attempt, payment, refund string
				err := pool.QueryRow(context.Background(), `SELECT a.state, p.state, coalesce((SELECT r.state FROM payments.refunds r WHERE r.attempt_id = a.id), '')
					FROM payments.attempts a JOIN payments.payments p USING (order_id) WHERE a.payment_key = $1`, paymentKey).Scan(&attempt, &payment, &refund)
				mu.Lock()
				defer mu.Unlock()
				seen[call] = append(seen[call], fmt.Sprint(attempt, " ", payment, " ", refund, err))
			}}
		}
	})
	pool = s.pool
	o := s.open()
	key := s.authorize(o, "카드")
	for click := range 2 {
		p, err := s.confirm(click, o, key, "k")
		require.NoError(t, err)
		require.Equal(t, click == 1, p.Replayed)
		s.clock.Advance(time.Second)
	}
	for range 2 {
		_, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
		require.NoError(t, err)
		s.clock.Advance(time.Second)
	}
	require.Equal(t, map[string][]string{"confirm": {"sent confirming <nil>"}, "cancel": {"captured captured sent<nil>"}}, seen)
	s.sound()
}

// money is everything that the shop keeps about money, so that two of them can be compared.
func (s shop) money() (all string) {
	s.t.Helper()
	for _, table := range []string{"payments", "attempts", "refunds", "ledger", "history", "outbox"} {
		var rows string
		require.NoError(s.t, s.pool.QueryRow(s.t.Context(), `SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM payments.`+table+` t`).Scan(&rows))
		all += table + "\n" + rows + "\n"
	}
	return all
}

// saleor PR#9504, vendure#2620, PR#3734 (T18): after a final state a webhook changes nothing, duplicated or late.
func TestWebhooksAfterTheEnd(t *testing.T) {
	t.Parallel()

	for name, end := range map[string]func(s shop) (o order, key string){
		"Captured": func(s shop) (order, string) { return s.paid() },
		"Refunded": func(s shop) (order, string) {
			o, key := s.paid()
			_, err := s.instances[0].Refund(s.t.Context(), payments.RefundInput{OrderID: o.id})
			require.NoError(s.t, err)
			return o, key
		},
		"PartlyRefunded": func(s shop) (order, string) {
			o, key := s.paid()
			s.part(o, uuid.New(), 5000)
			return o, key
		},
		"RefundedInParts": func(s shop) (order, string) {
			o, key := s.paid()
			s.part(o, uuid.New(), 5000)
			s.part(o, uuid.New(), price-5000)
			require.Equal(s.t, "CANCELED", s.atToss(key).Status)
			return o, key
		},
		"RefundRefused": func(s shop) (order, string) {
			o, key := s.paid()
			s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "EXCEED_MAX_REFUND_DUE"})
			_, err := s.instances[0].Refund(s.t.Context(), payments.RefundInput{OrderID: o.id})
			require.NoError(s.t, err)
			return o, key
		},
		"Closed": func(s shop) (order, string) {
			o := s.open()
			key := s.authorize(o, "카드")
			_, err := s.instances[0].Close(s.t.Context(), payments.CloseInput{OrderID: o.id})
			require.NoError(s.t, err)
			return o, key
		},
		"Declined": func(s shop) (order, string) {
			o := s.open()
			key, err := s.tryAuthorize(o, "카드", "REJECT_CARD_COMPANY")
			require.NoError(s.t, err)
			_, err = s.confirm(0, o, key, "k")
			require.ErrorIs(s.t, err, payments.ErrDeclined)
			return o, key
		},
		"StrayReturned": func(s shop) (order, string) {
			o := s.open()
			key := s.authorize(o, "카드")
			_, err := s.instances[0].Close(s.t.Context(), payments.CloseInput{OrderID: o.id})
			require.NoError(s.t, err)
			require.NoError(s.t, s.confirmPastTheShop(o, key))
			s.hook(0, "first", statusChanged(o, key))
			s.jobs(2)
			return o, key
		},
		"Deposited": func(s shop) (order, string) {
			o := s.open()
			key := s.authorize(o, "가상계좌")
			_, err := s.confirm(0, o, key, "k")
			require.NoError(s.t, err)
			require.NoError(s.t, s.toss.Deposit(o.number))
			s.jobs(1)
			require.Equal(s.t, payments.StateCaptured, s.payment(o).State)
			return o, key
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			o, key := end(s)
			s.clock.Advance(4096 * time.Minute) // Toss's last try
			before := s.money()
			deposit := map[string]any{"createdAt": "2026-01-02T12:04:05.000000", "status": "DONE", "transactionKey": "x", "orderId": o.number}
			if secret := s.atToss(key).Secret; secret != nil {
				deposit["secret"] = *secret
			}
			cancel := map[string]any{"eventType": "CANCEL_STATUS_CHANGED", "data": map[string]any{"transactionKey": s.atToss(key).LastTransactionKey, "cancelStatus": "DONE"}}
			for i, id := range []string{"t-1", "t-1", "t-2"} {
				s.hook(i, id, statusChanged(o, key))
				s.hook(i, "d"+id, deposit)
				s.hook(i, "c"+id, cancel)
			}
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					if err := s.instances[i%2].ProcessWebhooks(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.NoError(t, s.instances[0].Reconcile(t.Context()))
			require.NoError(t, s.instances[0].SendRefunds(t.Context()))
			require.Equal(t, before, s.money())
			var waiting int
			require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT count(*) FROM payments.webhooks WHERE processed_at IS NULL`).Scan(&waiting))
			require.Zero(t, waiting)
		})
	}
}

// saleor PR#15849, PR#15855 (T15): completing one checkout many times never gives its own money back.
func TestDuplicatesRefundNothing(t *testing.T) {
	t.Parallel()

	s := setup(t, func(c *settings) { c.app.RepeatWithin = time.Minute })
	o := s.open()
	key := s.authorize(o, "카드")
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if p, err := s.confirm(i, o, key, fmt.Sprint("k", i%3)); err != nil || p.State != payments.StateCaptured {
				t.Errorf("%v %v", p.State, err)
			}
		})
		wg.Go(func() {
			s.hook(i, fmt.Sprint("t-", i), statusChanged(o, key))
			if err := s.instances[i%2].ProcessWebhooks(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.jobs(2)
	p := s.payment(o)
	require.Equal(t, payments.StateCaptured, p.State)
	require.Nil(t, p.Refund)
	require.Empty(t, s.posts("cancel"))
	require.EqualValues(t, price, s.atToss(key).BalanceAmount)
	s.sound()
}

// original 40, magento2#13952 (T17): the event was sent before the commit. Here the outcome and its event are committed together, or not
// at all; and what could not be written is asked for again.
func TestAFailedCommitLosesNothing(t *testing.T) {
	t.Parallel()

	for _, table := range []string{"outbox", "ledger", "history"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			o := s.open()
			key := s.authorize(o, "카드")
			require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(key, "k")))
			before := s.money()
			s.breakTable(table, "INSERT", "P0001", 1)
			s.clock.Advance(time.Minute)
			require.Error(t, s.instances[0].Reconcile(t.Context()))
			require.Equal(t, "DONE", s.atToss(key).Status)
			require.Empty(t, s.events(o))
			d, err := s.instances[0].Details(t.Context(), o.id)
			require.NoError(t, err)
			require.Empty(t, d.Transfers)
			require.Equal(t, payments.StateConfirming, s.payment(o).State)
			require.NotEqual(t, before, s.money(), "it is put off")
			s.jobs(1)
			require.Equal(t, payments.StateCaptured, s.payment(o).State)
			require.Equal(t, []string{"payments.captured.v1"}, s.events(o))
			s.sound()
		})
	}
}

// original 41: the pages to which Toss sends a shopper back changed orders, for anybody who asked.
func TestAGetChangesNothing(t *testing.T) {
	t.Parallel()

	s := serve(t)
	o := s.of(s.open())
	paid, key := s.paid()
	before := s.money()
	for _, op := range s.Operations() {
		if op.Method == http.MethodGet {
			for _, who := range []string{"", "shopper", "manager"} {
				for _, id := range []uuid.UUID{o.id, paid.id} {
					s.Do(who, "GET", strings.NewReplacer("{id}", id.String(), "{order_id}", id.String()).Replace(op.Path), "")
				}
			}
		}
	}
	for _, page := range []string{"success", "fail"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "/toss/pay/"+paid.number+"/"+page+"?paymentKey="+key+"&orderId="+paid.number+"&amount=23000&code=PAY_PROCESS_CANCELED", nil)
		require.NoError(t, err)
		s.toss.ServeHTTP(&discard{}, r)
	}
	require.Equal(t, before, s.money())
	require.Equal(t, "DONE", s.atToss(key).Status)
}

// discard is a client that doesn't read.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}
func (*discard) Write(b []byte) (int, error) { return len(b), nil }
func (*discard) WriteHeader(int)             {}
