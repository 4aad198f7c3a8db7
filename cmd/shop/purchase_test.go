package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/stacktest"
)

// TestPurchase is the shop's main job from the outside: the built binary over HTTP, once with everything embedded and once on
// real engines, killed with -9 wherever it hurts.
func TestPurchase(t *testing.T) {
	t.Parallel()
	t.Run("Embedded", func(t *testing.T) {
		t.Parallel()
		purchase(t, newProcess(t, nil))
	})
	t.Run("OnRealEngines", func(t *testing.T) {
		t.Parallel()
		purchase(t, newProcess(t, realKafkaSettings(t, map[string]string{"SHOP_REDIS_URL": stacktest.Redis(t), "SHOP_DATABASE_URL": realDatabase(t)})))
	})
}

func purchase(t *testing.T, p *process) {
	nobody := client{p: p}
	admin := p.signIn("admin@shop.test", adminPassword)
	unique := uuid.NewString()[24:]
	jieun, other := p.signUp("jieun-"+unique+"@example.com"), p.signUp("other-"+unique+"@example.com")

	// Finds a product, which is on the lists as soon as the index has it.
	var product string
	p.await("the catalogue", func() bool {
		items, _ := nobody.want(200, "GET", "/v1/products?in_stock=true&sort=newest&min_price=5000&limit=20", nil).Body["items"].([]any)
		for _, item := range items {
			i := item.(map[string]any)
			detail := nobody.want(200, "GET", "/v1/products/"+i["id"].(string), nil).Body
			if detail["availability"] == "in_stock" && detail["limit_per_customer"].(float64) == 0 {
				product = detail["id"].(string)
				return true
			}
		}
		return false
	})
	before := admin.want(200, "GET", "/admin/products/"+product, nil).Body

	// Fills a cart, sees the price, says where to.
	jieun.want(200, "PUT", "/v1/cart/items/"+product, map[string]any{"quantity": 2})
	quote := jieun.want(200, "POST", "/v1/cart/quote", nil).Body
	line := quote["items"].([]any)[0].(map[string]any)
	address := jieun.want(201, "POST", "/v1/me/addresses", map[string]any{
		"alias": "집", "recipient": "김지은", "phone": "010-1234-5678", "zipcode": "04524", "line1": "서울특별시 중구 세종대로 110", "is_default": true,
	}).Body["id"]

	// Orders.
	place := map[string]any{
		"items":      []any{map[string]any{"product_id": product, "quantity": 2, "expected_price_won": line["price_won"]}},
		"address_id": address, "expected_total_won": quote["total_won"],
	}
	placed := jieun.want(201, "POST", "/v1/orders", place, "Idempotency-Key", "order-1")
	id := placed.Body["id"].(string)
	require.Equal(t, "awaiting_payment", placed.Body["state"])
	require.Empty(t, placed.Header.Get("Idempotency-Replayed"))

	// The machine dies. The same key gives the same order, and another body under it is refused.
	p.kill()
	p.start()
	again := jieun.want(201, "POST", "/v1/orders", place, "Idempotency-Key", "order-1")
	require.Equal(t, id, again.Body["id"])
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	place["expected_total_won"] = 1
	require.Equal(t, "idempotency.key_reused", jieun.want(422, "POST", "/v1/orders", place, "Idempotency-Key", "order-1").Body["code"])

	// It is nobody else's business.
	for _, path := range []string{"/v1/orders/" + id, "/v1/orders/" + id + "/payment"} {
		other.want(404, "GET", path, nil)
		nobody.want(401, "GET", path, nil)
	}
	other.want(404, "POST", "/v1/orders/"+id+"/cancel", map[string]any{"reason": "mine now"}, "Idempotency-Key", "steal-1")
	jieun.want(403, "GET", "/admin/orders/"+id, nil)
	other.want(403, "GET", "/admin/orders", nil)

	// Pays on the emulated Toss page, as a script does.
	payment := again.Body["payment"].(map[string]any)
	checkout := payment["checkout_url"].(string)
	require.Equal(t, 200, nobody.send("GET", checkout, nil).Status)
	authorized := nobody.want(200, "POST", checkout+"/authorize", map[string]any{"method": "카드"}).Body
	confirm := map[string]any{"payment_key": authorized["paymentKey"], "order_number": authorized["orderId"], "amount_won": authorized["amount"]}
	less := map[string]any{"payment_key": authorized["paymentKey"], "order_number": authorized["orderId"], "amount_won": 100}
	require.Equal(t, "payments.amount_mismatch", jieun.want(409, "POST", "/v1/payments/confirm", less, "Idempotency-Key", "confirm-0").Body["code"])
	other.want(404, "POST", "/v1/payments/confirm", confirm, "Idempotency-Key", "confirm-1")
	paid := jieun.want(200, "POST", "/v1/payments/confirm", confirm, "Idempotency-Key", "confirm-1")
	require.Equal(t, "paid", paid.Body["state"])

	// The machine dies with the news still on its way. Whoever hears them is killed with it, and started again.
	p.kill()
	p.start()
	require.Equal(t, "paid", jieun.want(200, "GET", "/v1/orders/"+id, nil).Body["state"])
	replayed := jieun.want(200, "POST", "/v1/payments/confirm", confirm, "Idempotency-Key", "confirm-1")
	require.Equal(t, paid.Body["approved_at"], replayed.Body["approved_at"])
	require.Equal(t, "true", replayed.Header.Get("Idempotency-Replayed"))

	t.Run("AnEventTakesEffectOnceInCatalogAndAccounts", func(t *testing.T) {
		sold := func() (pieces []any) {
			for _, m := range admin.want(200, "GET", "/admin/products/"+product+"/stock-movements?limit=100", nil).Body["items"].([]any) {
				if movement := m.(map[string]any); movement["order_id"] == id {
					pieces = append(pieces, movement["quantity"])
				}
			}
			return pieces
		}
		told := func() (n int) {
			for _, m := range jieun.want(200, "GET", "/v1/me/notifications?limit=100", nil).Body["items"].([]any) {
				if notification := m.(map[string]any); notification["kind"] == "order_paid" {
					n++
				}
			}
			return n
		}
		p.await("the sale in the ledger of the stock", func() bool { return len(sold()) > 0 })
		p.await("the notification", func() bool { return told() > 0 })

		// Everything that was published has been heard by everyone, so a second effect would be there by now.
		p.kill()
		p.start()
		p.await("an idle bus", func() bool { return idle(admin) })
		require.Equal(t, []any{-2.0}, sold())
		require.Equal(t, 1, told())
		after := admin.want(200, "GET", "/admin/products/"+product, nil).Body
		require.Equal(t, before["on_hand"].(float64)-2, after["on_hand"])
		require.Equal(t, before["reserved"], after["reserved"])
	})

	t.Run("TheAdminSeesThePaidOrderAndShipsIt", func(t *testing.T) {
		found := admin.want(200, "GET", "/admin/orders?state=paid&number="+placed.Body["number"].(string), nil).Body["items"].([]any)
		require.Len(t, found, 1)
		require.Equal(t, id, found[0].(map[string]any)["id"])
		seen := admin.want(200, "GET", "/admin/orders/"+id, nil).Body
		require.Equal(t, "captured", seen["money"].(map[string]any)["state"])

		admin.want(200, "POST", "/admin/orders/"+id+"/shipments", map[string]any{"carrier": "CJ대한통운", "invoice_number": "612345678901"})
		require.Equal(t, "ordering.already_shipping", jieun.want(409, "POST", "/v1/orders/"+id+"/cancel", map[string]any{"reason": "too late"}, "Idempotency-Key", "cancel-1").Body["code"])
		admin.want(200, "POST", "/admin/orders/"+id+"/deliveries", nil)
		require.Equal(t, "confirmed", jieun.want(200, "POST", "/v1/orders/"+id+"/receipt", nil).Body["state"])

		var actions []string
		for _, a := range admin.want(200, "GET", "/admin/audit-log?subject="+id, nil).Body["items"].([]any) {
			actions = append(actions, a.(map[string]any)["action"].(string))
		}
		require.Len(t, actions, 2, "%v", actions)
	})

	t.Run("ACanceledOrderGivesEverythingBack", func(t *testing.T) {
		cart := jieun.want(200, "GET", "/v1/cart", nil).Body
		require.Empty(t, cart["items"], "what was ordered has left the cart")
		place["expected_total_won"] = quote["total_won"]
		second := jieun.want(201, "POST", "/v1/orders", place, "Idempotency-Key", "order-2").Body
		checkout := second["payment"].(map[string]any)["checkout_url"].(string)
		authorized := nobody.want(200, "POST", checkout+"/authorize", map[string]any{"method": "카드"}).Body
		jieun.want(200, "POST", "/v1/payments/confirm", map[string]any{
			"payment_key": authorized["paymentKey"], "order_number": authorized["orderId"], "amount_won": authorized["amount"],
		}, "Idempotency-Key", "confirm-2")
		path := fmt.Sprintf("/v1/orders/%s", second["id"])
		canceled := jieun.send("POST", path+"/cancel", map[string]any{"reason": "단순 변심"}, "Idempotency-Key", "cancel-2")
		require.Contains(t, []int{200, 202}, canceled.Status, canceled.Text)
		p.await("the refund", func() bool { return jieun.want(200, "GET", path, nil).Body["state"] == "canceled" })
		require.Equal(t, second["due_won"], jieun.want(200, "GET", path+"/payment", nil).Body["refunded_won"])
		p.await("the stock to be back", func() bool {
			return admin.want(200, "GET", "/admin/products/"+product, nil).Body["on_hand"] == before["on_hand"].(float64)-2
		})
	})
}

// realDatabase makes an empty database on the server that SHOP_TEST_DATABASE_URL names.
func realDatabase(t *testing.T) string {
	t.Helper()
	server := stacktest.Address(t, "SHOP_TEST_DATABASE_URL")
	conn, err := pgx.Connect(t.Context(), server)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	name := "shop_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err = conn.Exec(t.Context(), `CREATE DATABASE `+name)
	require.NoError(t, err)
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), server)
		require.NoError(t, err)
		defer func() { _ = conn.Close(context.Background()) }()
		// Not with FORCE, which only who may end autovacuum's workers may ask for.
		_, err = conn.Exec(context.Background(), `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND usename = current_user`, name)
		require.NoError(t, err)
		_, err = conn.Exec(context.Background(), `DROP DATABASE `+name)
		require.NoError(t, err)
	})
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

// idle says whether nothing is on its way between the modules.
func idle(admin client) bool {
	bus := admin.want(200, "GET", "/admin/bus", nil).Body
	for _, m := range bus["items"].([]any) {
		module := m.(map[string]any)
		if module["unpublished"].(float64) > 0 {
			return false
		}
		for _, position := range module["positions"].([]any) {
			if position.(map[string]any)["lag"].(float64) > 0 {
				return false
			}
		}
	}
	return true
}
