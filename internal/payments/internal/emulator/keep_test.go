package emulator_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments/internal/emulator"
)

func TestJournal(t *testing.T) {
	t.Parallel()

	t.Run("SurvivesAKill", func(t *testing.T) {
		t.Parallel()

		path := filepath.Join(t.TempDir(), "toss.journal")
		kept := func(c *emulator.Config) { c.Journal = path }
		b := setup(t, kept)
		key := b.authorize("ORDER-1", "카드")
		confirmed := b.confirm(key, "ORDER-1", "23000", "k")
		open := b.authorize("ORDER-2", "카드")

		// Nothing was closed: what was answered is on disk. A line that was cut off was not answered.
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		copied := filepath.Join(t.TempDir(), "toss.journal")
		require.NoError(t, os.WriteFile(copied, append(data, `{"payment":{"paym`...), 0o600))
		again := setup(t, func(c *emulator.Config) { c.Journal = copied })
		require.JSONEq(t, confirmed.text, again.send("GET", "/v1/payments/"+key, "").text)
		require.JSONEq(t, confirmed.text, again.confirm(key, "ORDER-1", "23000", "k").text, "the key is remembered")
		require.Equal(t, "IN_PROGRESS", again.send("GET", "/v1/payments/"+open, "").body["status"])
		require.Equal(t, 200, again.send("GET", "/toss/pay/ORDER-2", "").status, "the session is remembered")
		require.Equal(t, 200, again.confirm(open, "ORDER-2", "23000", "k2").status)
	})

	t.Run("IsCompactedAtTheStart", func(t *testing.T) {
		t.Parallel()

		path := filepath.Join(t.TempDir(), "toss.journal")
		b := setup(t, func(c *emulator.Config) { c.Journal = path; c.MaxPayments = 10 })
		for i := range 40 {
			order := fmt.Sprintf("ORDER-%d", i)
			require.Equal(t, 200, b.confirm(b.authorize(order, "카드"), order, "23000", "k-"+order).status)
		}
		require.NoError(t, b.Close())
		before, err := os.Stat(path)
		require.NoError(t, err)
		again := setup(t, func(c *emulator.Config) { c.Journal = path; c.MaxPayments = 10 })
		after, err := os.Stat(path)
		require.NoError(t, err)
		require.Less(t, after.Size(), before.Size()/2)
		require.Equal(t, 404, again.send("GET", "/v1/payments/orders/ORDER-0", "").status, "the oldest are forgotten")
		require.Equal(t, 200, again.send("GET", "/v1/payments/orders/ORDER-39", "").status)
	})

	t.Run("IsRefusedWhenBroken", func(t *testing.T) {
		t.Parallel()

		path := filepath.Join(t.TempDir(), "toss.journal")
		require.NoError(t, os.WriteFile(path, []byte("not a record\n"), 0o600))
		_, err := emulator.New(emulator.Config{Journal: path})
		require.ErrorContains(t, err, "line 1")
	})

	t.Run("TakesManyAtOnce", func(t *testing.T) {
		t.Parallel()

		path := filepath.Join(t.TempDir(), "toss.journal")
		b := setup(t, func(c *emulator.Config) { c.Journal = path })
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				order := fmt.Sprintf("ORDER-%d", i)
				if a := b.confirm(b.authorize(order, "카드"), order, "23000", "k-"+order); a.status != 200 {
					t.Errorf("%s: %s", order, a.text)
				}
			})
		}
		wg.Wait()
		require.NoError(t, b.Close())
		again := setup(t, func(c *emulator.Config) { c.Journal = path })
		for i := range 50 {
			require.Equal(t, "DONE", again.send("GET", fmt.Sprintf("/v1/payments/orders/ORDER-%d", i), "").body["status"])
		}
	})
}

// inbox is a shop that takes webhooks, in the end.
type inbox struct {
	mu      sync.Mutex
	refuses int
	got     []http.Header
	bodies  []string
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got, i.bodies = append(i.got, r.Header), append(i.bodies, string(body))
	if i.refuses > 0 {
		i.refuses--
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (i *inbox) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.got)
}

func TestWebhooks(t *testing.T) {
	t.Parallel()

	const header = "Tosspayments-Webhook-Transmission-"
	serve := func(t *testing.T, shop *inbox, tries int) bench {
		server := httptest.NewServer(shop)
		t.Cleanup(server.Close)
		return setup(t, func(c *emulator.Config) {
			c.WebhookURL, c.WebhookDelays = server.URL+"/webhooks/toss", make([]time.Duration, tries-1)
		})
	}

	t.Run("AreSentAgainUntilTaken", func(t *testing.T) {
		t.Parallel()

		shop := &inbox{refuses: 2}
		b := serve(t, shop, 8)
		key := b.authorize("ORDER-1", "카드")
		b.confirm(key, "ORDER-1", "23000", "k")
		await(t, "three tries", func() bool { return shop.count() == 3 })
		for i, h := range shop.got {
			require.Equal(t, shop.got[0].Get(header+"Id"), h.Get(header+"Id"))
			require.NotEmpty(t, h.Get(header+"Id"))
			require.NotEmpty(t, h.Get(header+"Time"))
			require.Equal(t, fmt.Sprint(i), h.Get(header+"Retried-Count"))
		}
		require.Contains(t, shop.bodies[0], `"eventType":"PAYMENT_STATUS_CHANGED"`)
		require.Contains(t, shop.bodies[0], `"status":"DONE"`)
		require.Contains(t, shop.bodies[0], key)
	})

	t.Run("AreGivenUp", func(t *testing.T) {
		t.Parallel()

		shop := &inbox{refuses: 1000}
		b := serve(t, shop, 3)
		b.confirm(b.authorize("ORDER-1", "카드"), "ORDER-1", "23000", "k")
		await(t, "three tries", func() bool { return shop.count() == 3 })
		require.NoError(t, b.Close()) // waits for whatever is under way
		require.Equal(t, 3, shop.count())
	})

	t.Run("TellOfDeposits", func(t *testing.T) {
		t.Parallel()

		shop := &inbox{}
		b := serve(t, shop, 1)
		b.confirm(b.authorize("ORDER-1", "가상계좌"), "ORDER-1", "23000", "k")
		await(t, "the account", func() bool { return shop.count() == 1 })
		require.NotContains(t, shop.bodies[0], "eventType")
		require.Contains(t, shop.bodies[0], `"status":"WAITING_FOR_DEPOSIT"`)
		require.NoError(t, b.Deposit("ORDER-1"))
		await(t, "the deposit, twice", func() bool { return shop.count() == 3 })
		require.NoError(t, b.TakeBack("ORDER-1"))
		await(t, "that it was taken back", func() bool { return shop.count() == 4 })
	})

	t.Run("TellOfParts", func(t *testing.T) {
		t.Parallel()

		shop := &inbox{}
		b := serve(t, shop, 1)
		card, wallet := b.authorize("ORDER-1", "카드"), b.authorize("ORDER-2", "해외간편결제")
		b.confirm(card, "ORDER-1", "23000", "k1")
		b.confirm(wallet, "ORDER-2", "23000", "k2")
		await(t, "the payments", func() bool { return shop.count() == 2 })
		b.cancel(card, `{"cancelReason":"r","cancelAmount":3000}`, "c1")
		await(t, "the part", func() bool { return shop.count() == 3 })
		require.Contains(t, shop.bodies[2], `"eventType":"PAYMENT_STATUS_CHANGED"`)
		require.Contains(t, shop.bodies[2], `"status":"PARTIAL_CANCELED"`)
		b.cancel(wallet, `{"cancelReason":"r","cancelAmount":3000}`, "c2")
		require.NoError(t, b.FinishCancel("ORDER-2"))
		await(t, "the cancel's end and the part", func() bool { return shop.count() == 5 })
		b.cancel(wallet, `{"cancelReason":"r","cancelAmount":8000}`, "c3")
		require.NoError(t, b.AbortCancel("ORDER-2"))
		await(t, "the cancel's end only: the payment is what it was", func() bool { return shop.count() == 6 })
		require.NoError(t, b.Close())
		require.Equal(t, 6, shop.count())
		require.Contains(t, shop.bodies[5], `"cancelStatus":"ABORTED"`)
	})

	t.Run("TellOfCancelsThatTookTheirTime", func(t *testing.T) {
		t.Parallel()

		shop := &inbox{}
		b := serve(t, shop, 1)
		key := b.authorize("ORDER-1", "해외간편결제")
		b.confirm(key, "ORDER-1", "23000", "k")
		await(t, "the payment", func() bool { return shop.count() == 1 })
		b.send("POST", "/v1/payments/"+key+"/cancel", `{"cancelReason":"r"}`, "Idempotency-Key", "c")
		require.NoError(t, b.AbortCancel("ORDER-1"))
		await(t, "the cancel's end", func() bool { return shop.count() == 2 })
		require.Contains(t, shop.bodies[1], `"eventType":"CANCEL_STATUS_CHANGED"`)
		require.NotContains(t, shop.bodies[1], key, "it names no payment")
		require.Contains(t, shop.bodies[1], `"cancelStatus":"ABORTED"`)
	})

	t.Run("GoToTheShopThatRegistered", func(t *testing.T) {
		t.Parallel()

		shop := &inbox{}
		server := httptest.NewServer(shop)
		t.Cleanup(server.Close)
		b := setup(t)
		a := b.send("POST", "/pay", `{"orderId":"ORDER-1","orderName":"n","amount":23000,"webhookUrl":"`+server.URL+`/hook"}`, "Authorization", basic("test_ck_1"))
		require.Equal(t, 200, a.status, a.text)
		key := b.send("POST", "/pay/ORDER-1/authorize", "").body["paymentKey"].(string)
		b.confirm(key, "ORDER-1", "23000", "k")
		await(t, "the webhook", func() bool { return shop.count() == 1 })
	})
}

func TestPages(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.authorize("ORDER-1", "카드")

	t.Run("PayInTheReadersLanguage", func(t *testing.T) {
		for language, want := range map[string][]string{
			"":                    {`lang="ko"`, "결제하기", "운동화 외 1건", "23,000", "토스페이", "계좌이체", "취소"},
			"en-GB,en;q=0.9,ko;q": {`lang="en"`, "Pay with", "운동화 외 1건", "23,000", "Bank transfer", "Cancel"},
		} {
			a := b.send("GET", "/toss/pay/ORDER-1", "", "Accept-Language", language)
			require.Equal(t, 200, a.status)
			for _, text := range want {
				require.Contains(t, a.text, text)
			}
			require.Contains(t, a.text, `action="/toss/pay/ORDER-1/authorize"`)
		}
	})

	t.Run("AllowNothingFromElsewhere", func(t *testing.T) {
		for path, status := range map[string]int{
			"/toss/pay/ORDER-1":         200,
			"/toss/pay/ORDER-9":         404,
			"/toss/pay/ORDER-1/fail":    200,
			"/toss/pay/ORDER-1/success": 200,
		} {
			a := b.send("GET", path+"?paymentKey=tgen_1&amount=23000&message=%3Cscript%3Ealert(1)%3C/script%3E&code=X", "")
			require.Equal(t, status, a.status, path)
			csp := a.header.Get("Content-Security-Policy")
			require.Contains(t, csp, "default-src 'none'")
			require.NotContains(t, csp, "unsafe")
			nonce := regexp.MustCompile(`'nonce-([A-Z0-9]+)'`).FindStringSubmatch(csp)[1]
			for _, tag := range regexp.MustCompile(`<(script|style)[^>]*>`).FindAllString(a.text, -1) {
				require.Contains(t, tag, nonce, path)
			}
			require.NotContains(t, a.text, "<script>alert")
			require.NotRegexp(t, `\son[a-z]+=`, a.text)
			require.NotRegexp(t, `(src|href)="https?:`, a.text)
			require.NotContains(t, b.send("GET", path, "").text, nonce, "a nonce is used once")
		}
	})

	t.Run("ShowHowToConfirm", func(t *testing.T) {
		a := b.send("GET", "/toss/pay/ORDER-1/success?paymentKey=tgen_1'%3Bdate&orderId=ORDER-1&amount=23000", "")
		require.Contains(t, a.text, "/v1/payments/confirm")
		require.Contains(t, a.text, "tgen_1date", "what could end a quoted word is dropped")
	})

	t.Run("WorkWithoutScript", func(t *testing.T) {
		a := b.send("POST", "/toss/pay/ORDER-1/authorize", "method=%EC%B9%B4%EB%93%9C&decline=", "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusSeeOther, a.status, a.text)
		require.Contains(t, a.header.Get("Location"), "success?amount=23000&orderId=ORDER-1&paymentKey=tgen_")
	})

	t.Run("AnswerCurl", func(t *testing.T) {
		for _, body := range []string{`{"method":"카드"}`, ""} {
			a := b.send("POST", "/toss/pay/ORDER-1/authorize", body, "Content-Type", "application/x-www-form-urlencoded")
			require.Equal(t, 200, a.status, a.text)
			require.Equal(t, "ORDER-1", a.body["orderId"])
		}
	})

	t.Run("RefuseNonsense", func(t *testing.T) {
		b.refused(b.send("POST", "/toss/pay/ORDER-9/authorize", `{"method":"카드"}`), 404, "NOT_FOUND_PAYMENT_SESSION")
		b.refused(b.send("POST", "/toss/pay/ORDER-1/authorize", `{"method":"gold"}`), 400, "INVALID_REQUEST")
		b.refused(b.send("POST", "/toss/pay/ORDER-1/authorize", `{`), 400, "INVALID_REQUEST")
		for _, body := range []string{
			`{}`, `{"orderId":"x","orderName":"n","amount":1}`, `{"orderId":"ORDER-1","orderName":"n","amount":0}`,
			`{"orderId":"ORDER-1","orderName":"n","amount":100,"successUrl":"javascript:alert(1)"}`,
			`{"orderId":"ORDER-1","orderName":"` + strings.Repeat("가", 101) + `","amount":100}`,
		} {
			b.refused(b.send("POST", "/toss/pay", body, "Authorization", basic("test_ck_1")), 400, "INVALID_REQUEST")
		}
	})
}

func TestControl(t *testing.T) {
	t.Parallel()

	t.Run("IsOff", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		for _, path := range []string{"/toss/control/faults", "/control/faults", "/control/requests", "/control/deposits"} {
			require.Equal(t, 404, b.send("GET", path, "").status)
			require.Equal(t, 404, b.send("POST", path, `{"kind":"500"}`).status)
		}
	})

	t.Run("Faults", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(c *emulator.Config) { c.Control = true })
		require.Equal(t, 400, b.send("POST", "/control/faults", `{"kind":"gremlin"}`).status)
		require.Equal(t, 204, b.send("POST", "/control/faults", `{"path":"confirm","kind":"500","count":2}`).status)
		require.Len(t, b.send("GET", "/control/faults", "").body["items"], 1)
		require.Equal(t, 404, b.send("GET", "/v1/payments/x", "").status, "another path")
		for range 2 {
			require.Equal(t, 500, b.confirm("x", "ORDER-1", "23000", "k").status)
		}
		b.refused(b.confirm("x", "ORDER-1", "23000", "k"), 404, "NOT_FOUND_PAYMENT")
		require.Equal(t, 204, b.send("POST", "/control/faults", `{"kind":"429"}`).status)
		require.Equal(t, 204, b.send("DELETE", "/control/faults", "").status)
		require.Equal(t, 404, b.send("GET", "/v1/payments/x", "").status)
		require.Len(t, b.send("GET", "/control/requests", "").body["items"], 5)
	})
}
