package emulator_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/platform/clock"
)

var today = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// bench is an emulator with somebody who speaks to it.
type bench struct {
	*emulator.Emulator
	t     testing.TB
	clock *clock.Manual
}

func setup(t testing.TB, change ...func(*emulator.Config)) bench {
	t.Helper()
	b := bench{t: t, clock: clock.NewManual(today)}
	c := emulator.Config{Clock: b.clock.Now, SecretKey: "test_sk_1", ClientKey: "test_ck_1"}
	for _, f := range change {
		f(&c)
	}
	e, err := emulator.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	b.Emulator = e
	return b
}

type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func basic(key string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":")) }

// send makes a request; an Authorization that is not among the headers is the right one.
func (b bench) send(method, path, body string, headers ...string) answer {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", basic("test_sk_1"))
	r.Header.Set("Accept-Language", "en-US")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	data, err := io.ReadAll(w.Body)
	require.NoError(b.t, err)
	a := answer{status: w.Code, header: w.Header(), text: string(data)}
	_ = json.Unmarshal(data, &a.body) // pages are no JSON
	return a
}

// refused fails the test unless the answer is Toss's error with that code.
func (b bench) refused(a answer, status int, code string) {
	b.t.Helper()
	require.Equal(b.t, status, a.status, a.text)
	require.Equal(b.t, code, a.body["code"], a.text)
	require.NotEmpty(b.t, a.body["message"])
	require.Contains(b.t, a.body, "data")
}

// authorize registers an order and pays it, up to the confirm.
func (b bench) authorize(order, method string) (paymentKey string) {
	b.t.Helper()
	a := b.send("POST", "/toss/pay", `{"orderId":"`+order+`","orderName":"운동화 외 1건","amount":23000}`, "Authorization", basic("test_ck_1"))
	require.Equal(b.t, 200, a.status, a.text)
	a = b.send("POST", "/toss/pay/"+order+"/authorize", `{"method":"`+method+`"}`)
	require.Equal(b.t, 200, a.status, a.text)
	require.Equal(b.t, order, a.body["orderId"])
	require.EqualValues(b.t, 23000, a.body["amount"])
	return a.body["paymentKey"].(string)
}

func (b bench) confirm(key, order, amount, idempotencyKey string) answer {
	b.t.Helper()
	return b.send("POST", "/v1/payments/confirm", `{"paymentKey":"`+key+`","orderId":"`+order+`","amount":`+amount+`}`, "Idempotency-Key", idempotencyKey)
}

func (b bench) cancel(key, body, idempotencyKey string) answer {
	b.t.Helper()
	return b.send("POST", "/v1/payments/"+key+"/cancel", body, "Idempotency-Key", idempotencyKey)
}

func TestKeys(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for header, code := range map[string]string{
		"":                       "INCORRECT_BASIC_AUTH_FORMAT",
		"Bearer test_sk_1":       "INCORRECT_BASIC_AUTH_FORMAT",
		"Basic dGVzdF9za18x":     "INCORRECT_BASIC_AUTH_FORMAT", // no colon at its end
		"Basic !!!":              "INCORRECT_BASIC_AUTH_FORMAT",
		basic("test_sk_2"):       "UNAUTHORIZED_KEY",
		basic("test_ck_1"):       "UNAUTHORIZED_KEY",
		basic("test_sk_1:extra"): "UNAUTHORIZED_KEY",
	} {
		status := map[string]int{"INCORRECT_BASIC_AUTH_FORMAT": 403, "UNAUTHORIZED_KEY": 401}[code]
		b.refused(b.send("GET", "/v1/payments/x", "", "Authorization", header), status, code)
		b.refused(b.send("POST", "/toss/v1/payments/confirm", "{}", "Authorization", header), status, code)
	}
	require.Equal(t, 403, b.send("POST", "/toss/pay", "{}", "Authorization", "").status)
}

func TestConfirm(t *testing.T) {
	t.Parallel()

	t.Run("IsDone", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		key := b.authorize("ORDER-1", "토스페이")
		require.Equal(t, "IN_PROGRESS", b.send("GET", "/v1/payments/"+key, "").body["status"])
		a := b.confirm(key, "ORDER-1", "23000", "k1")
		require.Equal(t, 200, a.status, a.text)
		for field, want := range map[string]any{
			"status": "DONE", "paymentKey": key, "orderId": "ORDER-1", "orderName": "운동화 외 1건", "totalAmount": 23000.0, "balanceAmount": 23000.0,
			"method": "간편결제", "currency": "KRW", "version": "2022-11-16", "approvedAt": "2026-01-02T12:04:05+09:00", "cancels": nil,
			"easyPay": map[string]any{"provider": "토스페이", "amount": 23000.0, "discountAmount": 0.0},
		} {
			require.Equal(t, want, a.body[field], field)
		}
		require.JSONEq(t, a.text, b.send("GET", "/v1/payments/"+key, "").text)
		require.JSONEq(t, a.text, b.send("GET", "/toss/v1/payments/orders/ORDER-1", "").text)
		b.refused(b.confirm(key, "ORDER-1", "23000", "k2"), 400, "ALREADY_PROCESSED_PAYMENT")
		b.refused(b.send("POST", "/toss/pay/ORDER-1/authorize", `{"method":"카드"}`), 400, "ALREADY_PROCESSED_PAYMENT")
	})

	t.Run("IsRefused", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		key := b.authorize("ORDER-1", "카드")
		b.refused(b.confirm("tgen_none", "ORDER-1", "23000", "k1"), 404, "NOT_FOUND_PAYMENT")
		b.refused(b.confirm(key, "ORDER-1", "22999", "k2"), 400, "INVALID_REQUEST")
		b.refused(b.confirm(key, "ORDER-2", "23000", "k3"), 404, "NOT_FOUND_PAYMENT_SESSION")
		b.refused(b.confirm(key, "ORDER-1", `"x"`, "k4"), 400, "INVALID_REQUEST")
		b.refused(b.send("GET", "/v1/payments/orders/ORDER-9", ""), 404, "NOT_FOUND_PAYMENT")
		b.refused(b.send("GET", "/v1/other", ""), 404, "NOT_FOUND")
		b.clock.Advance(10 * time.Minute)
		b.refused(b.confirm(key, "ORDER-1", "23000", "k5"), 404, "NOT_FOUND_PAYMENT_SESSION")
		require.Equal(t, "EXPIRED", b.send("GET", "/v1/payments/"+key, "").body["status"])
	})

	t.Run("IsDeclined", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.authorize("ORDER-1", "카드")
		a := b.send("POST", "/toss/pay/ORDER-1/authorize", `{"method":"card","decline":"REJECT_CARD_COMPANY"}`)
		key := a.body["paymentKey"].(string)
		b.refused(b.confirm(key, "ORDER-1", "23000", "k1"), 403, "REJECT_CARD_COMPANY")
		read := b.send("GET", "/v1/payments/"+key, "")
		require.Equal(t, "ABORTED", read.body["status"])
		require.Equal(t, "REJECT_CARD_COMPANY", read.body["failure"].(map[string]any)["code"])

		other := b.authorize("ORDER-1", "계좌이체") // another way of paying
		require.Equal(t, 200, b.confirm(other, "ORDER-1", "23000", "k2").status)
	})

	t.Run("OnlyTestKeysTakeTestCodes", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.refused(b.send("GET", "/v1/payments/x", "", "TossPayments-Test-Code", "INVALID_CARD_EXPIRATION"), 400, "INVALID_CARD_EXPIRATION")
		live := setup(t, func(c *emulator.Config) { c.SecretKey = "live_sk_1" })
		live.refused(live.send("GET", "/v1/payments/x", "", "Authorization", basic("live_sk_1"), "TossPayments-Test-Code", "FDS_ERROR"), 404, "NOT_FOUND_PAYMENT")
	})

	t.Run("SpeaksKoreanByItself", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		require.Equal(t, "존재하지 않는 결제 정보 입니다.", b.send("GET", "/v1/payments/x", "", "Accept-Language", "").body["message"])
		require.Equal(t, "Not found payment.", b.send("GET", "/v1/payments/x", "", "Accept-Language", "fr, en;q=0.8").body["message"])
	})
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()

	t.Run("TheBodyIsNotPartOfIt", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		one, two := b.authorize("ORDER-1", "카드"), b.authorize("ORDER-2", "카드")
		first := b.confirm(one, "ORDER-1", "23000", "same")
		require.Equal(t, 200, first.status)
		require.JSONEq(t, first.text, b.confirm(two, "ORDER-2", "23000", "same").text)
		require.Equal(t, "IN_PROGRESS", b.send("GET", "/v1/payments/"+two, "").body["status"])

		require.Equal(t, 200, b.cancel(one, `{"cancelReason":"r"}`, "same").status, "another path is another request")
	})

	t.Run("IsKeptFor15Days", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		key := b.authorize("ORDER-1", "카드")
		require.Equal(t, 200, b.confirm(key, "ORDER-1", "23000", "k").status)
		b.clock.Advance(15*24*time.Hour - time.Second)
		require.Equal(t, 200, b.confirm(key, "ORDER-1", "23000", "k").status)
		b.clock.Advance(time.Second)
		b.refused(b.confirm(key, "ORDER-1", "23000", "k"), 400, "ALREADY_PROCESSED_PAYMENT")
	})

	t.Run("WhileTheFirstRuns", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		key := b.authorize("ORDER-1", "카드")
		b.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultHold})
		first := make(chan answer, 1)
		go func() { first <- b.confirm(key, "ORDER-1", "23000", "k") }()
		await(t, "the first", func() bool { return len(b.Requests()) > 0 })
		await(t, "409", func() bool { return b.confirm(key, "ORDER-1", "23000", "k").status == 409 })
		b.refused(b.confirm(key, "ORDER-1", "23000", "k"), 409, "IDEMPOTENT_REQUEST_PROCESSING")
		b.Release()
		require.Equal(t, 200, (<-first).status)
		require.Equal(t, 200, b.confirm(key, "ORDER-1", "23000", "k").status)
	})

	t.Run("HasLimits", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.refused(b.confirm("x", "ORDER-1", "23000", strings.Repeat("k", 301)), 400, "INVALID_IDEMPOTENCY_KEY")
		b.refused(b.send("GET", "/v1/payments/x", "", "Idempotency-Key", strings.Repeat("k", 301)), 404, "NOT_FOUND_PAYMENT")
	})

	t.Run("KeepsNoServerError", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		key := b.authorize("ORDER-1", "카드")
		b.Inject(emulator.Fault{Path: "confirm", Kind: emulator.FaultCode, Code: "UNKNOWN_PAYMENT_ERROR"})
		b.refused(b.confirm(key, "ORDER-1", "23000", "k"), 500, "UNKNOWN_PAYMENT_ERROR")
		require.Equal(t, 200, b.confirm(key, "ORDER-1", "23000", "k").status)
	})
}

// paid is a payment that was confirmed.
func paid(b bench, order, method string) (paymentKey string) {
	key := b.authorize(order, method)
	require.Equal(b.t, 200, b.confirm(key, order, "23000", "confirm-"+order).status)
	return key
}

func TestCancel(t *testing.T) {
	t.Parallel()

	t.Run("Whole", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		key := paid(b, "ORDER-1", "카드")
		a := b.cancel(key, `{"cancelReason":"단순 변심"}`, "c1")
		require.Equal(t, 200, a.status, a.text)
		require.Equal(t, "CANCELED", a.body["status"])
		require.EqualValues(t, 0, a.body["balanceAmount"])
		c := a.body["cancels"].([]any)[0].(map[string]any)
		require.EqualValues(t, 23000, c["cancelAmount"])
		require.Equal(t, "단순 변심", c["cancelReason"])
		require.Equal(t, "DONE", c["cancelStatus"])
		require.Equal(t, a.body["lastTransactionKey"], c["transactionKey"])
		require.JSONEq(t, a.text, b.cancel(key, `{"cancelReason":"단순 변심"}`, "c1").text)
		b.refused(b.cancel(key, `{"cancelReason":"again"}`, "c2"), 400, "ALREADY_CANCELED_PAYMENT")
	})

	t.Run("InParts", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		key := paid(b, "ORDER-1", "카드")
		a := b.cancel(key, `{"cancelReason":"r","cancelAmount":3000}`, "c1")
		require.Equal(t, "PARTIAL_CANCELED", a.body["status"])
		require.EqualValues(t, 23000, a.body["totalAmount"])
		require.EqualValues(t, 20000, a.body["balanceAmount"])
		require.JSONEq(t, a.text, b.cancel(key, `{"cancelReason":"r","cancelAmount":3000}`, "c1").text)
		require.JSONEq(t, a.text, b.send("GET", "/v1/payments/orders/ORDER-1", "").text)
		b.refused(b.cancel(key, `{"cancelReason":"r","cancelAmount":20001}`, "c2"), 403, "NOT_CANCELABLE_AMOUNT")
		b.refused(b.confirm(key, "ORDER-1", "23000", "k2"), 400, "ALREADY_PROCESSED_PAYMENT")
		require.Equal(t, "PARTIAL_CANCELED", b.cancel(key, `{"cancelReason":"r","cancelAmount":8000}`, "c3").body["status"])
		a = b.cancel(key, `{"cancelReason":"r","cancelAmount":12000}`, "c4")
		require.Equal(t, "CANCELED", a.body["status"], "the last part")
		require.EqualValues(t, 0, a.body["balanceAmount"])
		for i, want := range [][2]float64{{3000, 20000}, {8000, 12000}, {12000, 0}} {
			c := a.body["cancels"].([]any)[i].(map[string]any)
			require.Equal(t, want, [2]float64{c["cancelAmount"].(float64), c["refundableAmount"].(float64)})
			require.Equal(t, "DONE", c["cancelStatus"])
		}
		b.refused(b.cancel(key, `{"cancelReason":"r","cancelAmount":1}`, "c5"), 400, "ALREADY_CANCELED_PAYMENT")

		rest := paid(b, "ORDER-2", "카드")
		b.cancel(rest, `{"cancelReason":"r","cancelAmount":3000}`, "c6")
		a = b.cancel(rest, `{"cancelReason":"r"}`, "c7")
		require.Equal(t, "CANCELED", a.body["status"], "without an amount it is what is left")
		require.EqualValues(t, 20000, a.body["cancels"].([]any)[1].(map[string]any)["cancelAmount"])
	})

	t.Run("IsRefused", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.refused(b.cancel("none", `{"cancelReason":"r"}`, "c1"), 404, "NOT_FOUND_PAYMENT")
		open := b.authorize("ORDER-1", "카드")
		b.refused(b.cancel(open, `{"cancelReason":"r"}`, "c2"), 403, "NOT_CANCELABLE_PAYMENT")
		b.refused(b.cancel(open, `{}`, "c3"), 400, "INVALID_REQUEST")
		b.refused(b.cancel(open, `{"cancelReason":"`+strings.Repeat("가", 201)+`"}`, "c4"), 400, "INVALID_REQUEST")
		b.refused(b.cancel(open, `{"cancelReason":"r","cancelAmount":-1}`, "c5"), 400, "INVALID_REQUEST")
	})

	t.Run("VirtualAccount", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		waiting := paid(b, "ORDER-1", "가상계좌")
		require.Equal(t, "WAITING_FOR_DEPOSIT", b.send("GET", "/v1/payments/"+waiting, "").body["status"])
		b.refused(b.cancel(waiting, `{"cancelReason":"r","cancelAmount":100}`, "c1"), 403, "NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT")
		require.Equal(t, "CANCELED", b.cancel(waiting, `{"cancelReason":"r"}`, "c2").body["status"])

		deposited := paid(b, "ORDER-2", "가상계좌")
		require.NoError(t, b.Deposit("ORDER-2"))
		require.Error(t, b.Deposit("ORDER-2"))
		require.Equal(t, "DONE", b.send("GET", "/v1/payments/"+deposited, "").body["status"])
		b.refused(b.cancel(deposited, `{"cancelReason":"r"}`, "c3"), 400, "INVALID_REFUND_ACCOUNT_INFO")
		account := `"refundReceiveAccount":{"bank":"20","accountNumber":"1234567890","holderName":"김지은"}`
		b.refused(b.cancel(deposited, `{"cancelReason":"r","cancelAmount":3000}`, "c4"), 400, "INVALID_REFUND_ACCOUNT_INFO")
		require.Equal(t, "PARTIAL_CANCELED", b.cancel(deposited, `{"cancelReason":"r","cancelAmount":3000,`+account+`}`, "c5").body["status"])
		require.Equal(t, "CANCELED", b.cancel(deposited, `{"cancelReason":"r",`+account+`}`, "c6").body["status"])

		late := paid(b, "ORDER-3", "가상계좌")
		b.clock.Advance(24 * time.Hour)
		require.Equal(t, true, b.send("GET", "/v1/payments/"+late, "").body["virtualAccount"].(map[string]any)["expired"])
	})
}

func TestBanks(t *testing.T) {
	t.Parallel()

	t.Run("AWalletAbroadCancelsLater", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		for order, end := range map[string]func(string) error{"ORDER-1": b.FinishCancel, "ORDER-2": b.AbortCancel} {
			key := paid(b, order, "해외간편결제")
			require.Error(t, end(order), "nothing is taken on")
			last := func(a answer) map[string]any { return a.body["cancels"].([]any)[0].(map[string]any) }
			a := b.cancel(key, `{"cancelReason":"r"}`, "c-"+order)
			require.Equal(t, "DONE", a.body["status"])
			require.Equal(t, "IN_PROGRESS", last(a)["cancelStatus"])
			b.refused(b.cancel(key, `{"cancelReason":"r"}`, "again-"+order), 403, "FORBIDDEN_CONSECUTIVE_REQUEST")
			require.NoError(t, end(order))
			require.Error(t, end(order))
		}
		require.Equal(t, "CANCELED", b.send("GET", "/v1/payments/orders/ORDER-1", "").body["status"])
		require.Equal(t, "DONE", b.send("GET", "/v1/payments/orders/ORDER-2", "").body["status"])
		require.EqualValues(t, 23000, b.send("GET", "/v1/payments/orders/ORDER-2", "").body["balanceAmount"])
	})

	t.Run("AWalletAbroadCancelsPartsLater", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		key := paid(b, "ORDER-1", "해외간편결제")
		for i, c := range []struct {
			amount string
			end    func(string) error
			status string
			left   float64
		}{
			{"3000", b.AbortCancel, "DONE", 23000},
			{"3000", b.FinishCancel, "PARTIAL_CANCELED", 20000},
			{"8000", b.AbortCancel, "PARTIAL_CANCELED", 20000},
			{"20000", b.FinishCancel, "CANCELED", 0},
		} {
			before := b.send("GET", "/v1/payments/"+key, "").body
			a := b.cancel(key, `{"cancelReason":"r","cancelAmount":`+c.amount+`}`, "c"+c.amount+c.status)
			require.Equal(t, before["status"], a.body["status"], i)
			require.Equal(t, before["balanceAmount"], a.body["balanceAmount"], i)
			require.NoError(t, c.end("ORDER-1"))
			after := b.send("GET", "/v1/payments/"+key, "").body
			require.Equal(t, c.status, after["status"], i)
			require.EqualValues(t, c.left, after["balanceAmount"], i)
		}
	})

	t.Run("ABankTakesADepositBack", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		key := paid(b, "ORDER-1", "가상계좌")
		require.Error(t, b.TakeBack("ORDER-1"))
		require.NoError(t, b.Deposit("ORDER-1"))
		require.NoError(t, b.TakeBack("ORDER-1"))
		require.Equal(t, "WAITING_FOR_DEPOSIT", b.send("GET", "/v1/payments/"+key, "").body["status"])
	})
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(time.Minute), time.NewTicker(2*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("%s has not come about", what)
		case <-tick.C:
		}
	}
}
