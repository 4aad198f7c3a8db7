package toss_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/payments/internal/toss"
	"github.com/sasapick/shop/internal/platform/clock"
)

var today = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// bench is a gateway that speaks to an emulator.
type bench struct {
	*toss.Gateway
	t        testing.TB
	emulator *emulator.Emulator
	clock    *clock.Manual
}

// eachWire runs a test over a network, and past it.
func eachWire(t *testing.T, test func(t *testing.T, b bench)) { eachWireIn(t, 5*time.Second, test) }

func eachWireIn(t *testing.T, timeout time.Duration, test func(t *testing.T, b bench)) {
	for name, connect := range map[string]func(t *testing.T, e *emulator.Emulator) toss.Config{
		"Network": func(t *testing.T, e *emulator.Emulator) toss.Config {
			server := httptest.NewServer(e)
			t.Cleanup(server.Close)
			return toss.Config{URL: server.URL}
		},
		"Local": func(_ *testing.T, e *emulator.Emulator) toss.Config {
			return toss.Config{URL: "http://toss/toss", Transport: toss.Local{Handler: e}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := bench{t: t, clock: clock.NewManual(today)}
			e, err := emulator.New(emulator.Config{SecretKey: "test_sk_secret", Clock: b.clock.Now})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, e.Close()) })
			c := connect(t, e)
			c.SecretKey, c.Timeout = "test_sk_secret", timeout
			b.Gateway, err = toss.New(c)
			require.NoError(t, err)
			b.emulator = e
			test(t, b)
		})
	}
}

func (b bench) authorize(order, method string) app.ConfirmRequest {
	b.t.Helper()
	return authorize(b.t, b.emulator, order, method)
}

func authorize(t testing.TB, e *emulator.Emulator, order, method string) app.ConfirmRequest {
	t.Helper()
	post := func(path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(body))
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(emulator.DefaultClientKey+":")))
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		require.Equal(t, 200, w.Code, w.Body)
		return w
	}
	post("/pay", `{"orderId":"`+order+`","orderName":"신발","amount":23000}`)
	var out struct {
		PaymentKey string `json:"paymentKey"`
	}
	require.NoError(t, json.Unmarshal(post("/pay/"+order+"/authorize", `{"method":"`+method+`"}`).Body.Bytes(), &out))
	return app.ConfirmRequest{PaymentKey: out.PaymentKey, OrderNumber: order, AmountWon: 23000, IdempotencyKey: "confirm-" + out.PaymentKey}
}

func TestGateway(t *testing.T) {
	t.Parallel()

	t.Run("TakesAndReturnsMoney", func(t *testing.T) {
		t.Parallel()

		eachWire(t, func(t *testing.T, b bench) {
			in := b.authorize("ORDER-1", "토스페이")
			require.Equal(t, app.OutcomePending, b.Payment(t.Context(), in.PaymentKey).Outcome)
			paid := b.Confirm(t.Context(), in)
			require.Equal(t, app.OutcomePaid, paid.Outcome, paid)
			require.Equal(t, app.Answer{
				Outcome: app.OutcomePaid, PaymentKey: in.PaymentKey, OrderNumber: "ORDER-1", AmountWon: 23000, Method: "토스페이",
				ReceiptURL: paid.ReceiptURL, ApprovedAt: &today,
			}, paid)
			require.Equal(t, paid, b.Payment(t.Context(), in.PaymentKey))
			require.Equal(t, paid, b.PaymentByOrder(t.Context(), "ORDER-1"))
			require.Equal(t, paid, b.Confirm(t.Context(), in), "the same key, the same answer")
			other := in
			other.IdempotencyKey = "another"
			require.Equal(t, app.Answer{Outcome: app.OutcomeUnknown, Code: "ALREADY_PROCESSED_PAYMENT"}, b.Confirm(t.Context(), other))

			back := app.CancelRequest{PaymentKey: in.PaymentKey, Reason: "단순 변심", IdempotencyKey: "refund-1"}
			require.Equal(t, app.OutcomeCanceled, b.Cancel(t.Context(), back).Outcome)
			require.Equal(t, app.OutcomeCanceled, b.Cancel(t.Context(), back).Outcome)
			back.IdempotencyKey = "refund-2"
			require.Equal(t, app.Answer{Outcome: app.OutcomeUnknown, Code: "ALREADY_CANCELED_PAYMENT"}, b.Cancel(t.Context(), back))
			require.Equal(t, app.OutcomeCanceled, b.Payment(t.Context(), in.PaymentKey).Outcome)
		})
	})

	t.Run("ReturnsMoneyInParts", func(t *testing.T) {
		t.Parallel()

		eachWire(t, func(t *testing.T, b bench) {
			in := b.authorize("ORDER-1", "카드")
			require.Equal(t, app.OutcomePaid, b.Confirm(t.Context(), in).Outcome)
			part := app.CancelRequest{PaymentKey: in.PaymentKey, AmountWon: 3000, Reason: "r", IdempotencyKey: "part-1"}
			one := b.Cancel(t.Context(), part)
			require.Equal(t, app.Answer{Outcome: app.OutcomePartial, Code: "PARTIAL_CANCELED", BackWon: 3000}, onlyBack(one))
			require.Equal(t, one, b.Payment(t.Context(), in.PaymentKey))
			require.Equal(t, one, b.Cancel(t.Context(), part), "the same key, the same answer")
			part.AmountWon, part.IdempotencyKey = 20_001, "part-2"
			require.Equal(t, app.Answer{Outcome: app.OutcomeRefused, Code: "NOT_CANCELABLE_AMOUNT"}, b.Cancel(t.Context(), part))
			part.AmountWon, part.IdempotencyKey = 7000, "part-3"
			require.Equal(t, app.Answer{Outcome: app.OutcomePartial, Code: "PARTIAL_CANCELED", BackWon: 10_000}, onlyBack(b.Cancel(t.Context(), part)))
			part.AmountWon, part.IdempotencyKey = 13_000, "part-4" // the last
			require.Equal(t, app.Answer{Outcome: app.OutcomeCanceled, Code: "CANCELED", BackWon: 23_000}, onlyBack(b.Cancel(t.Context(), part)))
			require.Equal(t, app.OutcomeCanceled, b.PaymentByOrder(t.Context(), "ORDER-1").Outcome)
		})
	})

	t.Run("AwaitsDeposits", func(t *testing.T) {
		t.Parallel()

		eachWire(t, func(t *testing.T, b bench) {
			in := b.authorize("ORDER-1", "가상계좌")
			a := b.Confirm(t.Context(), in)
			require.Equal(t, app.OutcomeDeposit, a.Outcome)
			require.NotEmpty(t, a.Secret)
			require.Equal(t, today.Add(24*time.Hour), *a.DepositDue)
			b.clock.Advance(24 * time.Hour)
			require.True(t, b.Payment(t.Context(), in.PaymentKey).Overdue)
		})
	})

	// What the table "How to read an answer" says, for each way in which a call can end.
	t.Run("ReadsEveryFault", func(t *testing.T) {
		t.Parallel()

		eachWire(t, func(t *testing.T, b bench) {
			for i, c := range []struct {
				fault emulator.Fault
				want  app.Outcome
				code  string
			}{
				{emulator.Fault{Kind: emulator.FaultReset}, app.OutcomeUnknown, "SHOP_UNREACHABLE"},
				{emulator.Fault{Kind: emulator.FaultAfterCommitReset}, app.OutcomeUnknown, "SHOP_UNREACHABLE"},
				{emulator.Fault{Kind: emulator.Fault429}, app.OutcomeUnknown, "TOO_MANY_REQUESTS"},
				{emulator.Fault{Kind: emulator.Fault500}, app.OutcomeUnknown, "FAILED_INTERNAL_SYSTEM_PROCESSING"},
				{emulator.Fault{Kind: emulator.FaultCode, Code: "UNKNOWN_PAYMENT_ERROR"}, app.OutcomeUnknown, "UNKNOWN_PAYMENT_ERROR"},
				{emulator.Fault{Kind: emulator.FaultCode, Code: "PROVIDER_ERROR"}, app.OutcomeUnknown, "PROVIDER_ERROR"},
				{emulator.Fault{Kind: emulator.FaultCode, Code: "IDEMPOTENT_REQUEST_PROCESSING"}, app.OutcomeUnknown, "IDEMPOTENT_REQUEST_PROCESSING"},
				{emulator.Fault{Kind: emulator.FaultCode, Code: "A_CODE_OF_NEXT_YEAR"}, app.OutcomeUnknown, "A_CODE_OF_NEXT_YEAR"},
				{emulator.Fault{Kind: emulator.FaultCode, Code: "UNAUTHORIZED_KEY"}, app.OutcomeUnknown, "UNAUTHORIZED_KEY"},
				{emulator.Fault{Kind: emulator.FaultCode, Code: "FORBIDDEN_REQUEST"}, app.OutcomeUnknown, "FORBIDDEN_REQUEST"},
				{emulator.Fault{Kind: emulator.FaultCode, Code: "REJECT_CARD_PAYMENT"}, app.OutcomeDeclined, "REJECT_CARD_PAYMENT"},
				{emulator.Fault{Kind: emulator.FaultCode, Code: "INVALID_STOPPED_CARD"}, app.OutcomeDeclined, "INVALID_STOPPED_CARD"},
				{emulator.Fault{Kind: emulator.FaultCode, Code: "NOT_FOUND_PAYMENT_SESSION"}, app.OutcomeVoid, "NOT_FOUND_PAYMENT_SESSION"},
			} {
				in := b.authorize(fmt.Sprintf("ORDER-%d", i), "카드")
				c.fault.Path = "confirm"
				c.fault.Count = -1 // Go's client may send a POST with an Idempotency-Key again by itself
				b.emulator.Inject(c.fault)
				a := b.Confirm(t.Context(), in)
				b.emulator.Release()
				require.Equal(t, c.want, a.Outcome, "%+v", c.fault)
				require.Equal(t, c.code, a.Code, "%+v", c.fault)
				if c.want == app.OutcomeUnknown {
					again := b.Confirm(t.Context(), in)
					if again.Outcome != app.OutcomePaid { // a definite answer is kept under the key, and then only reading helps
						require.NotEqual(t, emulator.FaultAfterCommitReset, c.fault.Kind)
						require.Equal(t, c.code, again.Code)
					}
				}
			}
			require.Equal(t, app.OutcomePending, b.PaymentByOrder(t.Context(), "ORDER-NONE").Outcome, "a 404 decides nothing")
			require.Equal(t, app.OutcomeVoid, b.Confirm(t.Context(), app.ConfirmRequest{PaymentKey: "made-up", OrderNumber: "ORDER-1", AmountWon: 1, IdempotencyKey: "x"}).Outcome)
		})
	})

	t.Run("GivesUpInTime", func(t *testing.T) {
		t.Parallel()

		eachWireIn(t, 50*time.Millisecond, func(t *testing.T, b bench) {
			for _, kind := range []string{emulator.FaultTimeout, emulator.FaultHold, emulator.FaultAfterCommitTimeout} {
				in := b.authorize("ORDER-"+kind, "카드")
				b.emulator.Inject(emulator.Fault{Path: "confirm", Kind: kind})
				require.Equal(t, app.Answer{Outcome: app.OutcomeUnknown, Code: "SHOP_TIMEOUT"}, b.Confirm(t.Context(), in), kind)
				b.emulator.Release()
			}
		})
	})

	// payment-lab PR#4 (T35), original 45a: a payment without an idempotency key was approved twice.
	t.Run("EveryPostHasAKey", func(t *testing.T) {
		t.Parallel()

		eachWire(t, func(t *testing.T, b bench) {
			in := b.authorize("ORDER-1", "카드")
			b.Confirm(t.Context(), in)
			b.Payment(t.Context(), in.PaymentKey)
			b.Cancel(t.Context(), app.CancelRequest{PaymentKey: in.PaymentKey, Reason: "r", IdempotencyKey: "refund"})
			in.IdempotencyKey = ""
			require.Equal(t, app.OutcomeUnknown, b.Confirm(t.Context(), in).Outcome)
			requests := b.emulator.Requests()
			require.Len(t, requests, 3, "without a key nothing is sent")
			for _, r := range requests {
				require.Equal(t, r.Method == http.MethodPost, r.IdempotencyKey != "", "%+v", r)
			}
		})
	})
}

// stranger is something that answers as Toss never would.
func stranger(t *testing.T, handler http.HandlerFunc) *toss.Gateway {
	t.Helper()
	g, err := toss.New(toss.Config{URL: "http://toss", SecretKey: "live_sk_verysecret", Transport: toss.Local{Handler: handler}, Metrics: prometheus.NewRegistry()})
	require.NoError(t, err)
	return g
}

func TestStrangeAnswers(t *testing.T) {
	t.Parallel()

	in := app.ConfirmRequest{PaymentKey: "pk", OrderNumber: "ORDER-1", AmountWon: 1000, IdempotencyKey: "k"}
	for name, c := range map[string]struct {
		status int
		body   string
		code   string
	}{
		"Nothing":             {200, ``, "SHOP_NOT_A_PAYMENT"},
		"HTML":                {200, `<html>`, "SHOP_NOT_A_PAYMENT"},
		"GatewayPage":         {502, `<html>bad gateway</html>`, "SHOP_HTTP_502"},
		"Redirect":            {302, ``, "SHOP_HTTP_302"},
		"AnotherPayment":      {200, `{"paymentKey":"other","orderId":"ORDER-1","status":"DONE","totalAmount":1000}`, "SHOP_OTHER_PAYMENT"},
		"AnotherOrder":        {200, `{"paymentKey":"pk","orderId":"ORDER-2","status":"DONE","totalAmount":1000}`, "SHOP_OTHER_PAYMENT"},
		"NotWon":              {200, `{"paymentKey":"pk","orderId":"ORDER-1","status":"DONE","totalAmount":10.5,"currency":"USD"}`, "SHOP_NOT_WON"},
		"NewStatus":           {200, `{"paymentKey":"pk","orderId":"ORDER-1","status":"HALF_DONE","totalAmount":1000}`, "HALF_DONE"},
		"InProgress":          {200, `{"paymentKey":"pk","orderId":"ORDER-1","status":"IN_PROGRESS","totalAmount":1000}`, "IN_PROGRESS"},
		"AbortedWith200":      {200, `{"paymentKey":"pk","orderId":"ORDER-1","status":"ABORTED","totalAmount":1000}`, "ABORTED"},
		"DeclineWith500":      {500, `{"code":"REJECT_CARD_PAYMENT","message":"m"}`, "REJECT_CARD_PAYMENT"},
		"DeclineWith429":      {429, `{"code":"REJECT_CARD_PAYMENT","message":"m"}`, "REJECT_CARD_PAYMENT"},
		"ErrorWithoutCode":    {400, `{"message":"m"}`, "SHOP_HTTP_400"},
		"TooLong":             {200, `"` + strings.Repeat("x", 1<<20) + `"`, "SHOP_ANSWER_TOO_LONG"},
		"NulInTheCode":        {400, `{"code":"A\u0000B"}`, "AB"},
		"CanceledByNowAgain1": {200, `{"paymentKey":"pk","orderId":"ORDER-1","status":"CANCELED","totalAmount":1000}`, "CANCELED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var calls atomic.Int64
			g := stranger(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				w.Header().Set("Location", "http://elsewhere/")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			require.Equal(t, app.Answer{Outcome: app.OutcomeUnknown, Code: c.code}, onlyCode(g.Confirm(t.Context(), in)))
			require.EqualValues(t, 1, calls.Load(), "no redirect is followed")
		})
	}
}

// What is read back is taken for what it says, and money that is not won is no money of ours (original 45: decimals were cut off).
func TestReadBack(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		body    string
		outcome app.Outcome
		code    string
		back    int64
	}{
		"Done":              {`"status":"DONE","totalAmount":1000,"currency":"KRW"`, app.OutcomePaid, "", 0},
		"Dollars":           {`"status":"DONE","totalAmount":1000,"currency":"USD"`, app.OutcomeMismatch, "SHOP_NOT_WON", 0},
		"Decimals":          {`"status":"DONE","totalAmount":1000.5,"currency":"KRW"`, app.OutcomeMismatch, "SHOP_NOT_WON", 0},
		"DollarsBack":       {`"status":"CANCELED","totalAmount":1000,"currency":"USD"`, app.OutcomeMismatch, "SHOP_NOT_WON", 1000},
		"DollarsRefused":    {`"status":"ABORTED","totalAmount":1000,"currency":"USD"`, app.OutcomeDeclined, "ABORTED", 0},
		"Canceled":          {`"status":"CANCELED","totalAmount":1000,"cancels":[{"transactionKey":"t","cancelStatus":"DONE"}]`, app.OutcomeCanceled, "CANCELED", 1000},
		"Partly":            {`"status":"PARTIAL_CANCELED","totalAmount":1000,"balanceAmount":600,"cancels":[{"transactionKey":"t","cancelStatus":"DONE"}]`, app.OutcomePartial, "PARTIAL_CANCELED", 400},
		"PartlyDollars":     {`"status":"PARTIAL_CANCELED","totalAmount":1000,"balanceAmount":600,"currency":"USD"`, app.OutcomeMismatch, "SHOP_NOT_WON", 400},
		"PartlyNobodyKnows": {`"status":"PARTIAL_CANCELED","totalAmount":1000`, app.OutcomeMismatch, "SHOP_NO_BALANCE", 0},
		"PartlyDecimals":    {`"status":"PARTIAL_CANCELED","totalAmount":1000,"balanceAmount":600.5`, app.OutcomeMismatch, "SHOP_NO_BALANCE", 0},
		"PartlyAll":         {`"status":"PARTIAL_CANCELED","totalAmount":1000,"balanceAmount":0`, app.OutcomeMismatch, "SHOP_NO_BALANCE", 0},
		"PartlyNothing":     {`"status":"PARTIAL_CANCELED","totalAmount":1000,"balanceAmount":1000`, app.OutcomeMismatch, "SHOP_NO_BALANCE", 0},
		"TakenOn":           {`"status":"DONE","totalAmount":1000,"cancels":[{"transactionKey":"t","cancelStatus":"IN_PROGRESS"}]`, app.OutcomeCanceling, "CANCEL_IN_PROGRESS", 0},
		"TakenOnToo":        {`"status":"CANCELED","totalAmount":1000,"cancels":[{"transactionKey":"t","cancelStatus":"IN_PROGRESS"}]`, app.OutcomeCanceling, "CANCEL_IN_PROGRESS", 1000},
		"TakenOnAgain":      {`"status":"PARTIAL_CANCELED","totalAmount":1000,"balanceAmount":600,"cancels":[{"transactionKey":"s","cancelStatus":"DONE"},{"transactionKey":"t","cancelStatus":"IN_PROGRESS"}]`, app.OutcomeCanceling, "CANCEL_IN_PROGRESS", 400},
		"GivenUp":           {`"status":"DONE","totalAmount":1000,"cancels":[{"transactionKey":"t","cancelStatus":"ABORTED"}]`, app.OutcomePaid, "", 0},
		"GivenUpAgain":      {`"status":"PARTIAL_CANCELED","totalAmount":1000,"balanceAmount":600,"cancels":[{"transactionKey":"s","cancelStatus":"DONE"},{"transactionKey":"t","cancelStatus":"ABORTED"}]`, app.OutcomePartial, "PARTIAL_CANCELED", 400},
		"Again":             {`"status":"DONE","totalAmount":1000,"cancels":[{"transactionKey":"s","cancelStatus":"ABORTED"},{"transactionKey":"t","cancelStatus":"IN_PROGRESS"}]`, app.OutcomeCanceling, "CANCEL_IN_PROGRESS", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			g := stranger(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, `{"paymentKey":"pk","orderId":"ORDER-1",`+c.body+`}`)
			})
			a := g.Payment(t.Context(), "pk")
			require.Equal(t, c.outcome, a.Outcome)
			require.Equal(t, c.code, a.Code)
			require.Equal(t, strings.Contains(c.body, "cancels"), a.CancelKey == "t")
			require.Equal(t, strings.HasPrefix(name, "GivenUp"), a.CancelAborted)
			require.Equal(t, c.back, a.BackWon)
			confirmed := g.Confirm(t.Context(), app.ConfirmRequest{PaymentKey: "pk", OrderNumber: "ORDER-1", AmountWon: 1000, IdempotencyKey: "k"})
			if c.outcome != app.OutcomePaid {
				require.Equal(t, app.OutcomeUnknown, confirmed.Outcome, "a confirm's answer cannot say that: it is read back")
			}
			canceled := g.Cancel(t.Context(), app.CancelRequest{PaymentKey: "pk", Reason: "r", IdempotencyKey: "k"})
			switch c.outcome {
			case app.OutcomeCanceled, app.OutcomePartial, app.OutcomeCanceling:
				require.Equal(t, a, canceled)
			default:
				require.Equal(t, app.OutcomeUnknown, canceled.Outcome)
			}
		})
	}
}

func onlyCode(a app.Answer) app.Answer { return app.Answer{Outcome: a.Outcome, Code: a.Code} }

func onlyBack(a app.Answer) app.Answer {
	return app.Answer{Outcome: a.Outcome, Code: a.Code, BackWon: a.BackWon}
}

// Each code of Toss's list is read as the contract has it, and so is what isn't on it.
func TestCodes(t *testing.T) {
	t.Parallel()

	const confirmUnknown = "ALREADY_PROCESSED_PAYMENT PROVIDER_ERROR INVALID_API_KEY FORBIDDEN_REQUEST INCORRECT_BASIC_AUTH_FORMAT INVALID_IDEMPOTENCY_KEY SOMETHING_NEW"
	const confirmVoid = "NOT_FOUND_PAYMENT NOT_FOUND_PAYMENT_SESSION INVALID_REQUEST UNAPPROVED_ORDER_ID CARD_PROCESSING_ERROR"
	const cancelUnknown = "ALREADY_CANCELED_PAYMENT ALREADY_REFUND_PAYMENT PROVIDER_ERROR FORBIDDEN_CONSECUTIVE_REQUEST FAILED_PARTIAL_REFUND NOT_AVAILABLE_BANK FORBIDDEN_REQUEST SOMETHING_NEW"
	const cancelRefused = "NOT_CANCELABLE_AMOUNT NOT_ALLOWED_PARTIAL_REFUND NOT_CANCELABLE_PAYMENT REFUND_REJECTED EXCEED_MAX_REFUND_DUE INVALID_REFUND_ACCOUNT_INFO NOT_FOUND_PAYMENT"
	var code atomic.Pointer[string]
	g := stranger(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"code":%q,"message":"m","data":null}`, *code.Load())
	})
	ask := func(c string, call func() app.Answer) app.Outcome {
		code.Store(&c)
		a := call()
		require.Equal(t, c, a.Code)
		return a.Outcome
	}
	confirm := func() app.Answer {
		return g.Confirm(t.Context(), app.ConfirmRequest{PaymentKey: "pk", OrderNumber: "ORDER-1", AmountWon: 1000, IdempotencyKey: "k"})
	}
	cancel := func() app.Answer {
		return g.Cancel(t.Context(), app.CancelRequest{PaymentKey: "pk", Reason: "r", IdempotencyKey: "k"})
	}
	for c := range strings.FieldsSeq(confirmUnknown) {
		require.Equal(t, app.OutcomeUnknown, ask(c, confirm), c)
	}
	for c := range strings.FieldsSeq(confirmVoid) {
		require.Equal(t, app.OutcomeVoid, ask(c, confirm), c)
	}
	for c := range strings.FieldsSeq(toss.Declines) {
		require.Equal(t, app.OutcomeDeclined, ask(c, confirm), c)
	}
	for c := range strings.FieldsSeq(cancelUnknown) {
		require.Equal(t, app.OutcomeUnknown, ask(c, cancel), c)
	}
	for c := range strings.FieldsSeq(cancelRefused) {
		require.Equal(t, app.OutcomeRefused, ask(c, cancel), c)
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()

	var calls atomic.Int64
	g := stranger(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	for range 100 {
		require.Equal(t, app.OutcomeUnknown, g.Payment(t.Context(), "pk").Outcome)
	}
	require.EqualValues(t, 20, calls.Load(), "Toss is left alone while it fails")
	require.Equal(t, "SHOP_BREAKER_OPEN", g.Payment(t.Context(), "pk").Code)
}

func TestSecrets(t *testing.T) {
	t.Parallel()

	var authorization string
	g := stranger(t, func(w http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Get("Authorization")
		panic(http.ErrAbortHandler)
	})
	a := g.Payment(t.Context(), "pk")
	require.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("live_sk_verysecret:")), authorization)
	require.NotContains(t, fmt.Sprintf("%+v", a), "verysecret")

	for _, c := range []toss.Config{{SecretKey: "live_sk_verysecret", URL: "::"}, {}} {
		_, err := toss.New(c)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "verysecret")
	}
}

func TestCheckout(t *testing.T) {
	t.Parallel()

	e, err := emulator.New(emulator.Config{ClientKey: "test_ck_1"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	s := app.Session{OrderNumber: "ORDER-1", OrderName: "신발", AmountWon: 23000, CustomerKey: "c"}
	require.Error(t, toss.NewCheckout(server.URL+"/toss", "test_ck_2", "http://shop").Register(t.Context(), s))
	require.NoError(t, toss.NewCheckout(server.URL+"/toss", "test_ck_1", "http://shop").Register(t.Context(), s))

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/toss/pay/ORDER-1/authorize", bytes.NewReader(nil))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, toss.NewCheckout(server.URL, "test_ck_1", "http://shop").Register(canceled, s))
}
