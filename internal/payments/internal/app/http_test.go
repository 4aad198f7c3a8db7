package app_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

// site is a shop over HTTP, with somebody of each role.
type site struct {
	shop
	*webtest.Site
	tokens webtest.Tokens
}

func serve(t testing.TB) site {
	t.Helper()
	s, tokens := setup(t), webtest.Tokens{
		"another": {AccountID: uuid.New(), Role: auth.Shopper},
		"manager": {AccountID: uuid.New(), Role: auth.Manager},
	}
	return site{s, webtest.New(t, web.Options{Verifier: tokens}, app.NewHTTP(s.instances[0]), app.NewAdmin(s.instances[0])), tokens}
}

// of signs the order's own shopper in.
func (s site) of(o order) order {
	s.tokens["shopper"] = auth.Principal{AccountID: o.account, Role: auth.Shopper}
	return o
}

var (
	paymentKey  = regexp.MustCompile(`tgen_[a-z2-7]+`)
	customerKey = regexp.MustCompile(`"[A-Z2-7]{26}"`)
)

// named is a body's text in which what differs from run to run has a name.
func named(text string) string {
	return customerKey.ReplaceAllString(paymentKey.ReplaceAllString(text, "<payment_key>"), `"<customer_key>"`)
}

func TestHTTP(t *testing.T) {
	t.Parallel()

	t.Run("AnOrdersPayment", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o := s.of(s.open())
		path := "/v1/orders/" + o.id.String() + "/payment"
		open := s.Do("shopper", "GET", path, "")
		require.Equal(t, 200, open.Status, open.Raw)
		open.Golden("get-order-payment.open", named)

		_, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
		require.NoError(t, err)
		_, err = s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id, Reason: "단순 변심"})
		require.NoError(t, err)
		s.Do("shopper", "GET", path, "").Golden("get-order-payment.refunded", named)

		require.Equal(t, 401, s.Do("", "GET", path, "").Status)
		for _, a := range []webtest.Answer{s.Do("another", "GET", path, ""), s.Do("shopper", "GET", "/v1/orders/"+uuid.NewString()+"/payment", "")} {
			require.Equal(t, 404, a.Status)
			require.Equal(t, "payments.no_payment", a.Text("code"))
		}
		require.Equal(t, 422, s.Do("shopper", "GET", "/v1/orders/17/payment", "").Status)
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
			require.Equal(t, 200, s.Do("", "POST", "/webhooks/toss", event, header, "t-1").Status)
		}
		require.Equal(t, 1, count(), "one transmission is one webhook")
		require.Equal(t, 200, s.Do("", "POST", "/webhooks/toss", `{}`).Status)
		require.Equal(t, 200, s.Do("", "POST", "/webhooks/toss", `{}`).Status)
		require.Equal(t, 2, count(), "without an id the content names it")
		for _, malformed := range []string{`{`, `[]`, `nothing`, `"x"`} {
			a := s.Do("", "POST", "/webhooks/toss", malformed, header, "t-2")
			require.Equal(t, 400, a.Status, a.Raw)
			require.Equal(t, "payments.bad_webhook", a.Text("code"))
		}
		require.Equal(t, 413, s.Do("", "POST", "/webhooks/toss", `{"x":"`+strings.Repeat("y", 256<<10)+`"}`).Status)
		require.Equal(t, 2, count())
	})

	t.Run("Roles", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o := s.of(s.open())
		fill := strings.NewReplacer("{id}", o.id.String(), "{order_id}", o.id.String(), "{refund_id}", uuid.NewString())
		require.Len(t, s.Operations(), 7)
		for _, op := range s.Operations() {
			if op.Role == auth.None {
				continue
			}
			path := fill.Replace(op.Path)
			require.Equal(t, 401, s.Do("", op.Method, path, "").Status, op.ID)
			require.Equal(t, 401, s.Do("stolen", op.Method, path, "").Status, op.ID)
			if op.Role == auth.Manager {
				require.Equal(t, 403, s.Do("shopper", op.Method, path, "").Status, op.ID)
			}
		}
	})
}

func TestAdmin(t *testing.T) {
	t.Parallel()

	ids := func(a webtest.Answer) (all []string) {
		for _, item := range a.Body["items"].([]any) {
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

		list := func(query string) []string { return ids(s.Do("manager", "GET", "/admin/payments"+query, "")) }
		require.Equal(t, []string{due.id.String(), unknown.id.String(), paid.id.String(), open.id.String()}, list(""))
		require.Equal(t, []string{open.id.String()}, list("?state=open"))
		require.Equal(t, []string{due.id.String(), paid.id.String()}, list("?state=captured"))
		require.Equal(t, []string{unknown.id.String()}, list("?state=unknown"))
		require.Equal(t, []string{due.id.String()}, list("?state=refund_due"))
		require.Equal(t, []string{paid.id.String()}, list("?order="+paid.number))
		require.Equal(t, []string{paid.id.String()}, list("?order="+paid.id.String()))
		require.Empty(t, list("?order=N-NONE"))
		require.Empty(t, list("?state=open&order="+paid.number))
		require.Equal(t, 422, s.Do("manager", "GET", "/admin/payments?state=odd", "").Status)
		require.Equal(t, 422, s.Do("manager", "GET", "/admin/payments?cursor=odd", "").Status)

		var paged []string
		cursor := ""
		for range 4 {
			page := s.Do("manager", "GET", "/admin/payments?limit=1&cursor="+cursor, "")
			paged = append(paged, ids(page)...)
			cursor = page.Text("next_cursor")
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
		s.Do("manager", "GET", "/admin/payments/"+o.id.String(), "").Golden("get-payment", named)
		s.Do("manager", "GET", "/admin/ledger", "").Golden("list-ledger", named)
		first := s.Do("manager", "GET", "/admin/ledger?limit=1", "")
		second := s.Do("manager", "GET", "/admin/ledger?limit=1&cursor="+first.Body["next_cursor"].(string), "")
		require.Len(t, second.Body["items"], 1)
		require.NotContains(t, second.Body, "next_cursor")
		require.Equal(t, 404, s.Do("manager", "GET", "/admin/payments/"+uuid.NewString(), "").Status)
	})

	t.Run("ShowsParts", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o := s.of(s.open())
		_, err := s.confirm(0, o, s.authorize(o, "카드"), "k")
		require.NoError(t, err)
		s.part(o, uuid.New(), 5000)
		s.clock.Advance(time.Minute)
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "NOT_ALLOWED_PARTIAL_REFUND"})
		s.part(o, uuid.New(), 8000)
		s.Do("manager", "GET", "/admin/payments/"+o.id.String(), "").Golden("get-payment.parts", named)
		s.Do("shopper", "GET", "/v1/orders/"+o.id.String()+"/payment", "").Golden("get-order-payment.parts", named)
	})

	t.Run("Reconciles", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o := s.open()
		require.NoError(t, s.instances[0].Start(t.Context(), o.id, o.confirmInput(s.authorize(o, "카드"), "k")))
		a := s.Do("manager", "POST", "/admin/payments/"+o.id.String()+"/reconcile", "")
		require.Equal(t, 200, a.Status, a.Raw)
		require.Equal(t, "captured", a.Body["state"])
		require.Equal(t, 404, s.Do("manager", "POST", "/admin/payments/"+uuid.NewString()+"/reconcile", "").Status)

		var action, before, after string
		var actor uuid.UUID
		err := s.pool.QueryRow(t.Context(), `SELECT action, actor_id, before->>'state', after->>'state' FROM payments.audit_log WHERE subject = $1`, o.id.String()).Scan(&action, &actor, &before, &after)
		require.NoError(t, err)
		require.Equal(t, []string{"payments.reconcile", "confirming", "captured"}, []string{action, before, after})
		require.Equal(t, s.tokens["manager"].AccountID, actor)
		s.sound()
	})

	t.Run("RetriesARefundOfStrayMoney", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		o, refund := s.strayRefused()
		path := "/admin/payments/" + o.id.String() + "/refunds/"
		for range 2 { // the second finds the first's
			a := s.Do("manager", "POST", path+refund.String()+"/retry", "")
			require.Equal(t, 200, a.Status, a.Raw)
			require.Len(t, a.Body["refunds"], 2)
		}
		var rows int
		require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT count(*) FROM payments.audit_log WHERE action = 'payments.retry_refund'`).Scan(&rows))
		require.Equal(t, 1, rows)
		require.Equal(t, 404, s.Do("manager", "POST", path+uuid.NewString()+"/retry", "").Status)
		d, err := s.instances[0].Details(t.Context(), o.id)
		require.NoError(t, err)
		for _, r := range d.Refunds {
			if r.State == string(payments.RefundStateDone) {
				require.Equal(t, 409, s.Do("manager", "POST", path+r.ID.String()+"/retry", "").Status)
			}
		}
		s.sound()
	})

	t.Run("LeavesTheRefundOfAnOrderToTheOrder", func(t *testing.T) { // it may be shipped by now
		t.Parallel()

		s := serve(t)
		o, key := s.paid()
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "EXCEED_MAX_REFUND_DUE"})
		p, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
		require.NoError(t, err)
		a := s.Do("manager", "POST", "/admin/payments/"+o.id.String()+"/refunds/"+p.Refund.ID.String()+"/retry", "")
		require.Equal(t, 409, a.Status, a.Raw)
		require.Equal(t, payments.ErrRefundOfOrder.Code, a.Body["code"])

		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.FaultCode, Code: "NOT_ALLOWED_PARTIAL_REFUND"})
		part := s.part(o, uuid.New(), 5000)
		a = s.Do("manager", "POST", "/admin/payments/"+o.id.String()+"/refunds/"+part.Refund.ID.String()+"/retry", "")
		require.Equal(t, 409, a.Status, a.Raw)
		require.Equal(t, payments.ErrRefundOfOrder.Code, a.Body["code"])
		require.Equal(t, "DONE", s.atToss(key).Status)
		require.Len(t, s.posts("cancel"), 2)
		s.sound()
	})
}
