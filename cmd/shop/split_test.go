package main

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// split is the shop in two processes, each with a database of its own: one module in the one, all others in the main one, which is the
// only one that shoppers know.
type split struct {
	t           *testing.T
	main, other *process
	mainDB      *pgxpool.Pool
	otherDB     *pgxpool.Pool
	admin       client
}

func newSplit(t *testing.T, module string) *split {
	t.Helper()
	inMain, inOther := freeAddress(t), freeAddress(t)
	between := realKafkaSettings(t, map[string]string{"SHOP_REDIS_URL": stacktest.Redis(t), "SHOP_RPC_TOKEN": uuid.NewString(), "SHOP_DATABASE_CONNS": "6"})
	settings := func(own map[string]string) map[string]string {
		maps.Copy(own, between)
		return own
	}
	name := strings.ToUpper(module)
	s := &split{t: t}
	s.main = newProcess(t, settings(map[string]string{
		"SHOP_MODULES": "all,-" + module, "SHOP_" + name + "_URL": "http://" + inOther, "SHOP_PRIVATE_LISTEN": inMain, "SHOP_DATABASE_URL": realDatabase(t),
	}))
	s.other = newProcess(t, settings(map[string]string{
		"SHOP_MODULES": module, "SHOP_ACCOUNTS_URL": "http://" + inMain, "SHOP_PRIVATE_LISTEN": inOther, "SHOP_DATABASE_URL": realDatabase(t),
		"SHOP_PUBLIC_URL": s.main.base,
	}))
	open := func(p *process) *pgxpool.Pool {
		pool, err := pg.Open(t.Context(), pg.Config{URL: p.env["SHOP_DATABASE_URL"], Name: "test", MaxConns: 2})
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		return pool
	}
	s.mainDB, s.otherDB = open(s.main), open(s.other)
	s.admin = s.main.signIn("admin@shop.test", adminPassword)
	s.main.await("the keys of accounts", func() bool { return s.admin.send("GET", "/v1/me", nil).Status == http.StatusOK })
	return s
}

// part is the state of a part that /readyz of the main process tells.
func (s *split) part(name string) any {
	s.t.Helper()
	parts, _ := client{p: s.main}.want(200, "GET", "/readyz", nil).Body["parts"].([]any)
	for _, p := range parts {
		if part := p.(map[string]any); part["name"] == name {
			return part["state"]
		}
	}
	return nil
}

// schemas are the modules that have tables in a database.
func (s *split) schemas(db *pgxpool.Pool) (names []string) {
	s.t.Helper()
	require.NoError(s.t, db.QueryRow(s.t.Context(), `SELECT array_agg(schemaname ORDER BY schemaname) FROM pg_tables WHERE tablename = 'outbox'`).Scan(&names))
	return names
}

// balanced audits both processes.
func (s *split) balanced() {
	s.t.Helper()
	for _, p := range []*process{s.main, s.other} {
		out, code := p.run("audit")
		require.Zero(s.t, code, out)
	}
}

// campaign makes coupons that can be had now, at the shop's one address.
func (s *split) campaign(quantity int) string {
	s.t.Helper()
	return s.admin.want(201, "POST", "/admin/coupons", map[string]any{
		"name": "Welcome", "quantity": quantity, "discount": map[string]any{"amount_won": 1000}, "starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(24 * time.Hour).UTC(),
	}).Body["id"].(string)
}

// buyers are accounts that have not signed in, with tokens of the main process.
func (s *split) buyers(n int) []buyer {
	s.t.Helper()
	f := &fleet{t: s.t, db: s.mainDB}
	var seed []byte
	require.NoError(s.t, s.mainDB.QueryRow(s.t.Context(), `SELECT kid, seed FROM accounts.signing_keys ORDER BY generation LIMIT 1`).Scan(&f.kid, &seed))
	f.signer = ed25519.NewKeyFromSeed(seed)
	return f.newBuyers(n)
}

// orderWith is an order of one piece of something, with a coupon.
func (s *split) orderWith(by client, coupon any) map[string]any {
	s.t.Helper()
	var product map[string]any
	s.main.await("something that is in stock", func() bool {
		items, _ := client{p: s.main}.want(200, "GET", "/v1/products?in_stock=true&min_price=5000&limit=1", nil).Body["items"].([]any)
		if len(items) == 1 {
			product = items[0].(map[string]any)
		}
		return len(items) == 1
	})
	address := by.want(201, "POST", "/v1/me/addresses", map[string]any{
		"alias": "집", "recipient": "김지은", "phone": "010-1234-5678", "zipcode": "04524", "line1": "서울특별시 중구 세종대로 110",
	}).Body["id"]
	return map[string]any{
		"items":      []any{map[string]any{"product_id": product["id"], "quantity": 1, "expected_price_won": product["price_won"]}},
		"address_id": address, "coupon_id": coupon,
	}
}

// TestSplitCoupons is the shop with coupons in a process of its own.
func TestSplitCoupons(t *testing.T) {
	t.Parallel()
	s := newSplit(t, "coupons")
	jieun := s.main.signUp("jieun-" + uuid.NewString()[24:] + "@example.com")

	t.Run("EachHasItsOwn", func(t *testing.T) {
		require.Equal(t, []string{"accounts", "catalog", "ordering", "payments", "queue"}, s.schemas(s.mainDB))
		require.Equal(t, []string{"coupons"}, s.schemas(s.otherDB))
		s.main.await("coupons", func() bool { return s.part("coupons") == "up" })
		for p, says := range map[*process][]string{
			s.main:  {"accounts, catalog, ordering, payments, queue", "module coupons"},
			s.other: {"modules", "module accounts"},
		} {
			out, code := p.run("doctor")
			require.Zero(t, code, out)
			for _, text := range says {
				require.Contains(t, out, text)
			}
		}
		require.Contains(t, s.main.log.String(), "in another process, at http://")
		out, code := s.other.run("seed")
		require.Equal(t, 1, code)
		require.Contains(t, out, "this is done where catalog is hosted")
	})

	t.Run("ACouponIsClaimedAtTheMainAddress", func(t *testing.T) {
		campaign := s.campaign(1)
		path := "/v1/coupons/" + campaign + "/claims"
		client{p: s.main}.want(401, "POST", path, nil)
		claimed := jieun.want(201, "POST", path, nil)
		require.Equal(t, claimed.Body["id"], jieun.want(200, "POST", path, nil).Body["id"])
		other := s.main.signUp("other-" + uuid.NewString()[24:] + "@example.com")
		require.Equal(t, "coupons.sold_out", other.want(409, "POST", path, nil).Body["code"])
		mine := jieun.want(200, "GET", "/v1/me/coupons", nil).Body["items"].([]any)
		require.Len(t, mine, 1)
		require.Contains(t, client{p: s.main}.want(200, "GET", "/openapi.json", nil).Text, `"claim-coupon"`)
	})

	t.Run("WhatStandsBeforeAClaimStandsBeforeItHere", func(t *testing.T) {
		path := "/v1/coupons/" + s.campaign(10) + "/claims"
		s.admin.want(200, "PUT", "/admin/switches/read_only", map[string]any{"enabled": true, "reason": "a test"})
		require.Equal(t, "shop.read_only", jieun.want(503, "POST", path, nil).Body["code"])
		s.admin.want(200, "PUT", "/admin/switches/read_only", map[string]any{"enabled": false, "reason": "a test"})
		jieun.want(201, "POST", path, nil)
	})

	t.Run("WhoSignsOutIsOutThereToo", func(t *testing.T) {
		email := "leaving-" + uuid.NewString()[24:] + "@example.com"
		here := s.main.signUp(email)
		there := client{p: s.other, token: here.token}
		there.want(200, "GET", "/v1/me/coupons", nil)
		here.want(204, "DELETE", "/v1/sessions/current", nil)
		s.other.await("the end of the session", func() bool { return there.send("GET", "/v1/me/coupons", nil).Status == http.StatusUnauthorized })
	})

	t.Run("NobodyCallsWithoutTheToken", func(t *testing.T) {
		for _, p := range []*process{s.main, s.other} {
			private := client{p: &process{t: t, base: "http://" + p.env["SHOP_PRIVATE_LISTEN"]}}
			for _, path := range []string{"/rpc", "/rpc/coupons/Claim", "/rpc/accounts/SigningKeys", "/v1/coupons/" + uuid.NewString()} {
				private.want(401, "POST", path, map[string]any{})
			}
			require.Equal(t, 404, client{p: p}.send("POST", "/rpc/coupons/Claim", map[string]any{}).Status, "the public address has none of it")
		}
	})

	t.Run("AnOrderRedeemsItsCouponThere", func(t *testing.T) {
		coupon := jieun.want(201, "POST", "/v1/coupons/"+s.campaign(10)+"/claims", nil).Body["id"]
		order := s.orderWith(jieun, coupon)
		placed := jieun.want(201, "POST", "/v1/orders", order, "Idempotency-Key", "with-a-coupon")
		require.EqualValues(t, 1000, placed.Body["discount_won"])
		require.Equal(t, "coupons.not_applicable", jieun.want(409, "POST", "/v1/orders", order, "Idempotency-Key", "with-it-again").Body["code"])
		jieun.want(200, "POST", "/v1/orders/"+placed.Body["id"].(string)+"/cancel", map[string]any{"reason": "changed my mind"}, "Idempotency-Key", "cancel")
		s.main.await("the coupon to be back", func() bool {
			for _, c := range jieun.want(200, "GET", "/v1/me/coupons", nil).Body["items"].([]any) {
				if c := c.(map[string]any); c["id"] == coupon {
					return c["state"] == "usable"
				}
			}
			return false
		})
	})

	t.Run("WhileItIsDeadTheShopSellsOn", func(t *testing.T) {
		path := "/v1/coupons/" + s.campaign(10) + "/claims"
		claimed := jieun.want(201, "POST", path, nil)
		withCoupon := s.orderWith(jieun, claimed.Body["id"])
		s.other.kill()
		require.Equal(t, "ordering.not_placed", jieun.want(503, "POST", "/v1/orders", withCoupon, "Idempotency-Key", "while-it-is-dead").Body["code"])
		refused := jieun.want(503, "POST", path, nil)
		require.Equal(t, "platform.module_unavailable", refused.Body["code"])
		require.Equal(t, "1", refused.Header.Get("Retry-After"))
		s.main.await("the main process to notice", func() bool { return s.part("coupons") == "down" })
		out, code := s.main.run("doctor")
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "down: module coupons")
		t.Run("AWholePurchase", func(t *testing.T) { purchase(t, s.main) })
		s.other.start()
		require.Equal(t, claimed.Body["id"], jieun.want(200, "POST", path, nil).Body["id"])
		require.EqualValues(t, 1000, jieun.want(201, "POST", "/v1/orders", withCoupon, "Idempotency-Key", "while-it-is-dead").Body["discount_won"])
	})

	t.Run("KilledUnderACrowdItGivesEachOne", func(t *testing.T) {
		const there = 60
		campaign := s.campaign(there)
		buyers := s.buyers(100)
		door := &load{base: s.main.base, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
		t.Cleanup(door.http.CloseIdleConnections)
		had, soldOut := make([]string, len(buyers)), make([]bool, len(buyers))
		var answered, away atomic.Int64
		dead := make(chan struct{})
		var all sync.WaitGroup
		for i, b := range buyers {
			all.Go(func() {
				if i%2 == 1 { // so that some come while nobody is there
					<-dead
				}
				tick := time.NewTicker(pause)
				defer tick.Stop()
				for until := time.Now().Add(endless); time.Now().Before(until); <-tick.C {
					a := (&visitor{load: door, id: b.id, token: b.token}).once(request{op: "claim", method: "POST", path: "/v1/coupons/" + campaign + "/claims"}, nil)
					switch {
					case a.Status == 201 || a.Status == 200:
						had[i] = a.text("id")
						answered.Add(1)
						return
					case a.Code == "coupons.sold_out":
						soldOut[i] = true
						return
					case a.Code == "platform.module_unavailable":
						away.Add(1)
					}
				}
			})
		}
		s.main.await("a claim", func() bool { return answered.Load() > 0 })
		s.other.kill()
		close(dead)
		s.main.await("somebody who finds nobody there", func() bool { return away.Load() > 0 })
		s.other.start()
		all.Wait()

		holders := map[string]bool{}
		var told, refused int
		for i := range buyers {
			if had[i] != "" {
				told++
				holders[had[i]] = true
			}
			if soldOut[i] {
				refused++
			}
		}
		require.Equal(t, []int{there, len(buyers) - there}, []int{told, refused})
		require.Len(t, holders, there)
		var rows int
		require.NoError(t, s.otherDB.QueryRow(t.Context(), `SELECT count(DISTINCT account_id) FROM coupons.coupons WHERE campaign_id = $1`, campaign).Scan(&rows))
		require.Equal(t, there, rows)
	})

	t.Run("TheCostOfTheWay", func(t *testing.T) {
		campaign := s.campaign(1_000)
		asked := map[string][]time.Duration{}
		for i, b := range s.buyers(400) {
			p := []*process{s.main, s.other}[i%2] // who asks the other one goes past the main one
			start := time.Now()
			client{p: p, token: b.token}.want(201, "POST", "/v1/coupons/"+campaign+"/claims", nil)
			asked[p.base] = append(asked[p.base], time.Since(start))
		}
		for base, name := range map[string]string{s.other.base: "at its own process", s.main.base: "through the main one"} {
			took := asked[base]
			slices.Sort(took)
			t.Logf("a claim over HTTP %-20s median %s, p99 %s", name, took[len(took)/2].Round(time.Microsecond), took[len(took)*99/100].Round(time.Microsecond))
		}
	})

	s.balanced()
}

// TestSplitPayments is the shop with payments in a process of its own: its calls decide orders.
func TestSplitPayments(t *testing.T) {
	t.Parallel()
	s := newSplit(t, "payments")
	require.Equal(t, []string{"accounts", "catalog", "coupons", "ordering", "queue"}, s.schemas(s.mainDB))
	require.Equal(t, []string{"payments"}, s.schemas(s.otherDB))

	t.Run("AWholePurchase", func(t *testing.T) { purchase(t, s.main) })

	t.Run("DeadInTheMiddleOfAnOrder", func(t *testing.T) {
		b := s.buyers(1)[0]
		jieun := client{p: s.main, token: b.token}
		items, _ := jieun.want(200, "GET", "/v1/products?in_stock=true&sort=newest&limit=1", nil).Body["items"].([]any)
		product := items[0].(map[string]any)
		place := map[string]any{
			"items":      []any{map[string]any{"product_id": product["id"], "quantity": 1, "expected_price_won": product["price_won"]}},
			"address_id": b.address,
		}
		s.other.kill()
		refused := jieun.want(503, "POST", "/v1/orders", place, "Idempotency-Key", "order-1")
		require.Equal(t, "ordering.not_placed", refused.Body["code"])
		require.Equal(t, "1", refused.Header.Get("Retry-After"))

		s.other.start()
		var placed answer
		s.main.await("the same order", func() bool {
			placed = jieun.send("POST", "/v1/orders", place, "Idempotency-Key", "order-1")
			return placed.Status == http.StatusCreated
		})
		checkout := placed.Body["payment"].(map[string]any)["checkout_url"].(string)
		require.True(t, strings.HasPrefix(checkout, s.main.base), checkout)
		authorized := client{p: s.main}.want(200, "POST", checkout+"/authorize", map[string]any{"method": "카드"}).Body
		confirm := map[string]any{"payment_key": authorized["paymentKey"], "order_number": authorized["orderId"], "amount_won": authorized["amount"]}
		s.other.kill()
		jieun.want(503, "POST", "/v1/payments/confirm", confirm, "Idempotency-Key", "confirm-1")
		s.other.start()
		var paid answer
		s.main.await("the payment", func() bool {
			paid = jieun.send("POST", "/v1/payments/confirm", confirm, "Idempotency-Key", "confirm-1")
			return paid.Status == http.StatusOK
		})
		path := fmt.Sprintf("/v1/orders/%s", placed.Body["id"])
		require.Contains(t, []int{200, 202}, jieun.send("POST", path+"/cancel", map[string]any{"reason": "단순 변심"}, "Idempotency-Key", "cancel-1").Status)
		s.main.await("the refund", func() bool { return jieun.want(200, "GET", path, nil).Body["state"] == "canceled" })
		require.Equal(t, placed.Body["due_won"], jieun.want(200, "GET", path+"/payment", nil).Body["refunded_won"])
		var captured, refunded int64
		require.NoError(t, s.otherDB.QueryRow(t.Context(), `
			SELECT count(*) FILTER (WHERE state = 'captured'), (SELECT count(*) FROM payments.refunds WHERE order_id = $1 AND state = 'done')
			FROM payments.payments WHERE order_id = $1`, placed.Body["id"]).Scan(&captured, &refunded))
		require.Equal(t, []int64{1, 1}, []int64{captured, refunded})
	})

	s.balanced()
}

// TestSplitAccounts is the shop with accounts in a process of its own: every token is checked by what that process tells.
func TestSplitAccounts(t *testing.T) {
	t.Parallel()
	s := newSplit(t, "accounts")
	require.Equal(t, []string{"catalog", "coupons", "ordering", "payments", "queue"}, s.schemas(s.mainDB))
	require.Equal(t, []string{"accounts"}, s.schemas(s.otherDB))

	t.Run("AWholePurchase", func(t *testing.T) { purchase(t, s.main) })

	t.Run("WhoIsKnownStaysInWhileItIsDead", func(t *testing.T) {
		jieun := s.main.signUp("jieun-" + uuid.NewString()[24:] + "@example.com")
		jieun.want(200, "GET", "/v1/orders", nil)
		s.other.kill()
		jieun.want(200, "GET", "/v1/orders", nil)
		refused := client{p: s.main}.want(503, "POST", "/v1/sessions", map[string]any{"email": "admin@shop.test", "password": adminPassword})
		require.Equal(t, "platform.module_unavailable", refused.Body["code"])
		s.other.start()
		s.main.signIn("admin@shop.test", adminPassword)
	})

	t.Run("WhoIsSuspendedIsOutHereToo", func(t *testing.T) {
		jieun := s.main.signUp("jieun-" + uuid.NewString()[24:] + "@example.com")
		id := jieun.want(200, "GET", "/v1/me", nil).Body["id"].(string)
		jieun.want(200, "GET", "/v1/orders", nil)
		s.admin.want(200, "POST", "/admin/accounts/"+id+"/suspend", map[string]any{"reason": "resale by bots"})
		s.main.await("the end of the session", func() bool { return jieun.send("GET", "/v1/orders", nil).Status == http.StatusUnauthorized })
	})

	s.balanced()
}

// TestSplitRefused: what could only fail later is refused at the start, in a sentence.
func TestSplitRefused(t *testing.T) {
	path, err := binary()
	require.NoError(t, err)
	for says, env := range map[string][]string{
		"modules: coupons needs accounts: host it here too, or set accounts-url":  {"SHOP_MODULES=coupons", "SHOP_KAFKA_BROKERS=127.0.0.1:1"},
		"modules: ordering needs payments: host it here too, or set payments-url": {"SHOP_MODULES=all,-payments", "SHOP_KAFKA_BROKERS=127.0.0.1:1"},
		"modules: ordering needs catalog in the same process":                     {"SHOP_MODULES=-catalog", "SHOP_KAFKA_BROKERS=127.0.0.1:1"},
		"modules in several processes need Kafka between them":                    {"SHOP_MODULES=all,-coupons"},
		"modules in several processes call each other":                            {"SHOP_MODULES=all,-coupons", "SHOP_KAFKA_BROKERS=127.0.0.1:1", "SHOP_PRIVATE_LISTEN="},
		`there is no module "coupon"`:                                             {"SHOP_MODULES=coupon"},
	} {
		cmd := exec.CommandContext(t.Context(), path)
		cmd.Env = append(env, "HOME="+t.TempDir(), "SHOP_DATA_DIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Equal(t, 1, strings.Count(string(out), "\n"), "%s", out)
		require.Contains(t, string(out), says)
	}
}
