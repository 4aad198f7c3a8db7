package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/platform/web"
)

// tokens are the principals that a test's tokens speak for.
type tokens map[string]auth.Principal

func (t tokens) Verify(_ context.Context, token string) (auth.Principal, error) {
	p, ok := t[token]
	if !ok {
		return auth.Principal{}, auth.ErrBadToken
	}
	return p, nil
}

// site is a shop over HTTP, with somebody of each role.
type site struct {
	shop
	api    *web.API
	tokens tokens
}

func serve(t testing.TB) site {
	t.Helper()
	s := site{shop: setup(t), tokens: tokens{
		"another": {AccountID: uuid.New(), Role: auth.Shopper},
		"manager": {AccountID: uuid.New(), Role: auth.Manager},
	}}
	s.api = web.New(web.Options{Logger: slog.New(slog.DiscardHandler), Verifier: s.tokens})
	app.NewHTTP(s.instances[0]).Routes(s.api)
	app.NewAdmin(s.instances[0]).Routes(s.api)
	return s
}

// of signs the order's own shopper in.
func (s site) of(o order) order {
	s.tokens["shopper"] = auth.Principal{AccountID: o.account, Role: auth.Shopper}
	return o
}

type answer struct {
	status int
	text   string
	body   map[string]any
}

func (a answer) code() string { c, _ := a.body["code"].(string); return c }

func (s site) do(token, method, path, body string, headers ...string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.api.Handler().ServeHTTP(w, r)
	data, err := io.ReadAll(w.Body)
	require.NoError(s.t, err)
	a := answer{status: w.Code, text: string(data)}
	if len(data) > 0 {
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		require.NoError(s.t, d.Decode(&a.body), "%s", data)
	}
	return a
}

var varies = regexp.MustCompile(`[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|tgen_[a-z2-7]+|"[A-Z2-7]{26}"`)

// golden compares a body in which what differs from run to run is named.
func (s site) golden(name string, a answer) {
	s.t.Helper()
	text := varies.ReplaceAllStringFunc(a.text, func(v string) string {
		switch {
		case strings.HasPrefix(v, `"`):
			return `"<customer_key>"`
		case strings.HasPrefix(v, "tgen_"):
			return "<payment_key>"
		}
		return "<id>"
	})
	var body any
	require.NoError(s.t, json.Unmarshal([]byte(text), &body))
	contracttest.Golden(s.t, name, body)
}

func TestHTTP(t *testing.T) {
	t.Parallel()

	t.Run("AnOrdersPayment", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o := s.of(s.open())
		path := "/v1/orders/" + o.id.String() + "/payment"
		open := s.do("shopper", "GET", path, "")
		require.Equal(t, 200, open.status, open.text)
		s.golden("get-order-payment.open", open)

		_, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
		require.NoError(t, err)
		_, err = s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id, Reason: "단순 변심"})
		require.NoError(t, err)
		s.golden("get-order-payment.refunded", s.do("shopper", "GET", path, ""))

		require.Equal(t, 401, s.do("", "GET", path, "").status)
		for _, a := range []answer{s.do("another", "GET", path, ""), s.do("shopper", "GET", "/v1/orders/"+uuid.NewString()+"/payment", "")} {
			require.Equal(t, 404, a.status)
			require.Equal(t, "payments.no_payment", a.code())
		}
		require.Equal(t, 422, s.do("shopper", "GET", "/v1/orders/17/payment", "").status)
	})

	t.Run("Webhook", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		const header = "tosspayments-webhook-transmission-id"
		count := func() (n int) {
			require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT count(*) FROM payments.webhooks`).Scan(&n))
			return n
		}
		for _, event := range []string{`{"eventType":"PAYMENT_STATUS_CHANGED","data":{}}`, `{"eventType":"SOMETHING_NEW"}`, `{"secret":"s","orderId":"N-1","status":"DONE"}`} {
			require.Equal(t, 200, s.do("", "POST", "/webhooks/toss", event, header, "t-1").status)
		}
		require.Equal(t, 1, count(), "one transmission is one webhook")
		require.Equal(t, 200, s.do("", "POST", "/webhooks/toss", `{}`).status)
		require.Equal(t, 200, s.do("", "POST", "/webhooks/toss", `{}`).status)
		require.Equal(t, 2, count(), "without an id the content names it")
		for _, malformed := range []string{`{`, `[]`, `nothing`, `"x"`} {
			a := s.do("", "POST", "/webhooks/toss", malformed, header, "t-2")
			require.Equal(t, 400, a.status, a.text)
			require.Equal(t, "payments.bad_webhook", a.code())
		}
		require.Equal(t, 413, s.do("", "POST", "/webhooks/toss", `{"x":"`+strings.Repeat("y", 256<<10)+`"}`).status)
		require.Equal(t, 2, count())
	})

	t.Run("Roles", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o := s.of(s.open())
		fill := strings.NewReplacer("{id}", o.id.String(), "{order_id}", o.id.String(), "{refund_id}", uuid.NewString())
		require.Len(t, s.api.Operations(), 7)
		for _, op := range s.api.Operations() {
			if op.Role == auth.None {
				continue
			}
			path := fill.Replace(op.Path)
			require.Equal(t, 401, s.do("", op.Method, path, "").status, op.ID)
			require.Equal(t, 401, s.do("stolen", op.Method, path, "").status, op.ID)
			if op.Role == auth.Manager {
				require.Equal(t, 403, s.do("shopper", op.Method, path, "").status, op.ID)
			}
		}
	})
}

func TestAdmin(t *testing.T) {
	t.Parallel()

	ids := func(a answer) (all []string) {
		for _, item := range a.body["items"].([]any) {
			all = append(all, item.(map[string]any)["order_id"].(string))
		}
		return all
	}

	t.Run("FindsPayments", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		open := s.open()
		paid, _ := s.paid()
		unknown := s.open()
		require.NoError(t, s.instances[0].Start(t.Context(), unknown.id, unknown.confirmInput(s.authorize(unknown, "카드"), "k")))
		due, _ := s.paid()
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "EXCEED_MAX_REFUND_DUE"})
		_, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: due.id})
		require.NoError(t, err)
		_, err = s.instances[0].Close(t.Context(), payments.CloseInput{OrderID: uuid.New()}) // a tombstone is no payment
		require.NoError(t, err)

		list := func(query string) []string { return ids(s.do("manager", "GET", "/admin/payments"+query, "")) }
		require.Equal(t, []string{due.id.String(), unknown.id.String(), paid.id.String(), open.id.String()}, list(""))
		require.Equal(t, []string{open.id.String()}, list("?state=open"))
		require.Equal(t, []string{due.id.String(), paid.id.String()}, list("?state=captured"))
		require.Equal(t, []string{unknown.id.String()}, list("?state=unknown"))
		require.Equal(t, []string{due.id.String()}, list("?state=refund_due"))
		require.Equal(t, []string{paid.id.String()}, list("?order="+paid.number))
		require.Equal(t, []string{paid.id.String()}, list("?order="+paid.id.String()))
		require.Empty(t, list("?order=N-NONE"))
		require.Empty(t, list("?state=open&order="+paid.number))
		require.Equal(t, 422, s.do("manager", "GET", "/admin/payments?state=odd", "").status)
		require.Equal(t, 422, s.do("manager", "GET", "/admin/payments?cursor=odd", "").status)

		var paged []string
		cursor := ""
		for range 4 {
			page := s.do("manager", "GET", "/admin/payments?limit=1&cursor="+cursor, "")
			paged = append(paged, ids(page)...)
			cursor, _ = page.body["next_cursor"].(string)
		}
		require.Equal(t, list(""), paged)
		require.Empty(t, cursor)
	})

	t.Run("ShowsEverything", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o, _ := s.paid()
		_, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id, Reason: "단순 변심"})
		require.NoError(t, err)
		s.golden("get-payment", s.do("manager", "GET", "/admin/payments/"+o.id.String(), ""))
		s.golden("list-ledger", s.do("manager", "GET", "/admin/ledger", ""))
		first := s.do("manager", "GET", "/admin/ledger?limit=1", "")
		second := s.do("manager", "GET", "/admin/ledger?limit=1&cursor="+first.body["next_cursor"].(string), "")
		require.Len(t, second.body["items"], 1)
		require.NotContains(t, second.body, "next_cursor")
		require.Equal(t, 404, s.do("manager", "GET", "/admin/payments/"+uuid.NewString(), "").status)
	})

	t.Run("Reconciles", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o := s.open()
		require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(s.authorize(o, "카드"), "k")))
		a := s.do("manager", "POST", "/admin/payments/"+o.id.String()+"/reconcile", "")
		require.Equal(t, 200, a.status, a.text)
		require.Equal(t, "captured", a.body["state"])
		require.Equal(t, 404, s.do("manager", "POST", "/admin/payments/"+uuid.NewString()+"/reconcile", "").status)

		var action, before, after string
		var actor uuid.UUID
		err := s.pool.QueryRow(t.Context(), `SELECT action, actor_id, before->>'state', after->>'state' FROM payments.audit_log WHERE subject = $1`, o.id.String()).Scan(&action, &actor, &before, &after)
		require.NoError(t, err)
		require.Equal(t, []string{"payments.reconcile", "confirming", "captured"}, []string{action, before, after})
		require.Equal(t, s.tokens["manager"].AccountID, actor)
		s.sound()
	})

	t.Run("RetriesARefund", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o, _ := s.paid()
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "EXCEED_MAX_REFUND_DUE"})
		p, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
		require.NoError(t, err)
		path := "/admin/payments/" + o.id.String() + "/refunds/" + p.Refund.ID.String() + "/retry"
		for range 2 { // the second finds the first's
			a := s.do("manager", "POST", path, "")
			require.Equal(t, 200, a.status, a.text)
			require.EqualValues(t, "23000", a.body["refunded_won"].(json.Number).String())
			require.Len(t, a.body["refunds"], 2)
		}
		var rows int
		require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT count(*) FROM payments.audit_log WHERE action = 'payments.retry_refund'`).Scan(&rows))
		require.Equal(t, 1, rows)
		require.Equal(t, 404, s.do("manager", "POST", "/admin/payments/"+o.id.String()+"/refunds/"+uuid.NewString()+"/retry", "").status)
		done := s.payment(o).Refund.ID.String()
		require.Equal(t, 409, s.do("manager", "POST", "/admin/payments/"+o.id.String()+"/refunds/"+done+"/retry", "").status)
		s.sound()
	})
}
