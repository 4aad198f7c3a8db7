package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// fleet is several shops on one database, with one emulator of Toss between them, each a process of its own. The first to open leads
// whatever has to be led.
type fleet struct {
	t      *testing.T
	shops  []*process
	doors  []*load        // where visitors of each shop ask
	asked  []atomic.Int64 // requests, by shop
	db     *pgxpool.Pool  // of the superuser
	boss   client
	signer ed25519.PrivateKey
	kid    string
}

// newFleet opens a shop for each of the last settings, which come on top of those that all have.
func newFleet(t *testing.T, all map[string]string, each ...map[string]string) *fleet {
	t.Helper()
	f := &fleet{t: t, asked: make([]atomic.Int64, len(each))}
	database, toss := pgtest.URL(t), newTossBeside(t)
	visitors := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	t.Cleanup(visitors.CloseIdleConnections)
	for i, own := range each {
		settings := map[string]string{
			"SHOP_DATABASE_URL": named(t, database, i), "SHOP_TOSS_URL": toss, "SHOP_DEMO": "false", "SHOP_LOG_LEVEL": "warn", "SHOP_DATABASE_CONNS": "6",
		}
		maps.Copy(settings, all)
		maps.Copy(settings, own)
		p := newProcess(t, settings)
		f.shops, f.doors = append(f.shops, p), append(f.doors, &load{base: p.base, http: visitors})
	}
	var err error
	f.db, err = pg.Open(t.Context(), pg.Config{URL: database, Name: "test", MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(f.db.Close)
	_, err = f.db.Exec(t.Context(), `CREATE TABLE public.dropped (event_id uuid PRIMARY KEY)`) // which the invariants know of; no event is dropped here
	require.NoError(t, err)
	f.boss = f.shops[0].signIn("admin@shop.test", adminPassword)
	var seed []byte
	require.NoError(t, f.db.QueryRow(t.Context(), `SELECT kid, seed FROM accounts.signing_keys ORDER BY generation LIMIT 1`).Scan(&f.kid, &seed))
	f.signer = ed25519.NewKeyFromSeed(seed)
	return f
}

// named is the database's address with the name under which pg_stat_activity shows the sessions of a shop.
func named(t *testing.T, database string, shop int) string {
	t.Helper()
	u, err := url.Parse(database)
	require.NoError(t, err)
	q := u.Query()
	q.Set("application_name", session(shop))
	u.RawQuery = q.Encode()
	return u.String()
}

func session(shop int) string { return fmt.Sprintf("shop-%d", shop) }

// newTossBeside runs `shop toss-emulator`, and returns its address.
func newTossBeside(t *testing.T) string {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	address := freeAddress(t)
	cmd := exec.Command(path, "toss-emulator")
	cmd.Env = []string{"SHOP_TOSS_EMULATOR_AT=" + address, "SHOP_DATA_DIR=" + openDir(t)}
	p := &process{t: t, base: "http://" + address, cmd: cmd, log: &lockedBuffer{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	require.NoError(t, cmd.Start())
	go func() { _ = cmd.Wait(); close(p.done) }()
	t.Cleanup(p.kill)
	p.await("the emulator of Toss", func() bool {
		require.False(t, p.ended(), "the emulator ended: %s", p.log)
		response, err := http.Get(p.base + "/toss/control/faults")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	})
	return p.base
}

// newWares puts products of a category of their own on sale, with so many pieces of each.
func (f *fleet) newWares(category string, pieces ...int) (wares []ware) {
	f.t.Helper()
	of := f.boss.want(201, "POST", "/admin/categories", map[string]any{"slug": category, "name": category}).Body["id"]
	for i, n := range pieces {
		w := ware{price: int64(12_000 + 1_000*i)}
		w.id = f.boss.want(201, "POST", "/admin/products", map[string]any{
			"category_id": of, "name": fmt.Sprintf("운동화 %d", i), "brand": "나이키", "list_price_won": w.price, "price_won": w.price,
		}).Body["id"].(string)
		f.boss.want(201, "POST", "/admin/products/"+w.id+"/stock-movements", map[string]any{"kind": "receive", "quantity": n, "reason": "delivery"}, "Idempotency-Key", "delivery-"+w.id)
		f.boss.want(200, "POST", "/admin/products/"+w.id+"/publish", nil)
		wares = append(wares, w)
	}
	return wares
}

// buyer is an account with an address, and a token that every shop takes.
type buyer struct{ id, address, token string }

// newBuyers makes accounts as signing up makes them, but for the passwords, which take long.
func (f *fleet) newBuyers(n int) []buyer {
	f.t.Helper()
	accounts, addresses := make([]uuid.UUID, n), make([]uuid.UUID, n)
	buyers := make([]buyer, n)
	for i := range buyers {
		accounts[i], addresses[i] = uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
		token, err := auth.Sign(f.signer, f.kid, auth.Principal{AccountID: accounts[i], SessionID: uuid.New(), Role: auth.Shopper}, time.Now(), time.Hour)
		require.NoError(f.t, err)
		buyers[i] = buyer{accounts[i].String(), addresses[i].String(), token}
	}
	_, err := f.db.Exec(f.t.Context(), `
		WITH people AS (
			INSERT INTO accounts.accounts (id, version, email, name, password_hash, role, state, tokens_from, created_at, updated_at)
			SELECT id, 1, id || '@example.com', '김지은', '$argon2id$', 'shopper', 'active', now() - interval '1 hour', now(), now() FROM unnest($1::uuid[]) AS id
		), places AS (
			INSERT INTO accounts.addresses (id, account_id, alias, recipient, phone, zipcode, line1, line2, is_default, created_at, updated_at)
			SELECT id, account, '집', '김지은', '010-1234-5678', '04524', '서울특별시 중구 세종대로 110', '', true, now(), now()
			FROM unnest($2::uuid[], $1::uuid[]) AS a (id, account)
		)
		INSERT INTO accounts.outbox (event_id, type, key, aggregate_version, occurred_at, data)
		SELECT gen_random_uuid(), 'accounts.registered.v1', id, 1, now(), json_build_object('account_id', id, 'version', 1, 'role', 'shopper', 'at', now())
		FROM unnest($1::uuid[]) AS id`, accounts, addresses)
	require.NoError(f.t, err)
	return buyers
}

// order asks for one piece of each of the wares, in this order.
func (b buyer) order(key string, wares ...ware) request {
	items := make([]any, len(wares))
	for i, w := range wares {
		items[i] = map[string]any{"product_id": w.id, "quantity": 1, "expected_price_won": w.price}
	}
	return request{op: "place", method: "POST", path: "/v1/orders", key: key, body: map[string]any{"items": items, "address_id": b.address}}
}

// ask makes one request at one of the shops. Status 0 says that there was no answer.
func (f *fleet) ask(shop int, b buyer, r request) told {
	body, _ := json.Marshal(r.body)
	f.asked[shop].Add(1)
	return (&visitor{load: f.doors[shop], id: b.id, token: b.token}).once(r, body)
}

// insist asks again while a first request with the same key is still being served.
func (f *fleet) insist(shop int, b buyer, r request) told {
	return f.askUntil(shop, b, r, func(a told) bool { return a.Code != "idempotency.in_progress" })
}

// askUntil asks again and again, under the same key.
func (f *fleet) askUntil(shop int, b buyer, r request, settled func(told) bool) (a told) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for until := time.Now().Add(endless); time.Now().Before(until); <-tick.C {
		if a = f.ask(shop, b, r); settled(a) {
			break
		}
	}
	return a
}

// authorize clicks "pay" for an order that was placed, and returns the request that takes the money.
func (f *fleet) authorize(b buyer, placed told) (request, error) {
	payment, _ := placed.Answer["payment"].(map[string]any)
	page, _ := payment["checkout_url"].(string)
	a := f.ask(0, buyer{}, request{op: "authorize", method: "POST", path: page + "/authorize", body: map[string]any{"method": "카드"}})
	f.asked[0].Add(-1) // it was the emulator's
	if a.Status != http.StatusOK {
		return request{}, fmt.Errorf("authorize the payment of %s for %s: %s", placed.text("id"), b.id, a)
	}
	return request{op: "confirm", method: "POST", path: "/v1/payments/confirm", key: "confirm-" + placed.text("id"), body: map[string]any{
		"payment_key": a.Answer["paymentKey"], "order_number": a.Answer["orderId"], "amount_won": a.Answer["amount"],
	}}, nil
}

// together calls do for 0 to n-1 at once, and waits for all.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// stock is where the pieces of a product are.
type stock struct{ Left, Held, Sold int }

// stockOf tells where the pieces are that were received, and fails unless every one of them is somewhere.
func (f *fleet) stockOf(w ware) (s stock) {
	f.t.Helper()
	var received int
	require.NoError(f.t, f.db.QueryRow(f.t.Context(), `
		SELECT p.on_hand - p.reserved,
			(SELECT coalesce(sum(l.quantity), 0) FROM catalog.reservation_lines l JOIN catalog.reservations r USING (order_id) WHERE l.pool_id = p.id AND r.state = 'held'),
			(SELECT coalesce(-sum(quantity), 0) FROM catalog.stock_movements WHERE pool_id = p.id AND kind = 'sell'),
			(SELECT sum(quantity) FROM catalog.stock_movements WHERE pool_id = p.id AND kind = 'receive')
		FROM catalog.pools p WHERE p.id = $1`, w.id).Scan(&s.Left, &s.Held, &s.Sold, &received))
	require.Equal(f.t, received, s.Left+s.Held+s.Sold, "%+v", s)
	return s
}

// count is the number that a query answers.
func (f *fleet) count(sql string, args ...any) (n int) {
	f.t.Helper()
	require.NoError(f.t, f.db.QueryRow(f.t.Context(), sql, args...).Scan(&n), sql)
	return n
}

// unpaid finds orders that wait to be paid, as long as they may.
const unpaid = `SELECT format('order %s awaits its payment', id) FROM ordering.orders WHERE state = 'awaiting_payment'`

// rest waits until nothing is left to do, nor found by other queries, and fails unless the books balance then and nothing is there twice.
func (f *fleet) rest(others ...string) {
	f.t.Helper()
	w := &world{t: f.t, db: f.db}
	queries := w.leftToDo()
	for _, sql := range others {
		queries[sql] = sql
	}
	var restless, wrong []string
	look := func(tx pgx.Tx) (err error) {
		if restless, err = ask(f.t.Context(), tx, queries); err == nil {
			wrong, err = ask(f.t.Context(), tx, invariants)
		}
		return err
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), recoveryWithin)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		require.NoError(f.t, w.passTime(f.t.Context()))
		require.NoError(f.t, pgx.BeginTxFunc(f.t.Context(), f.db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, look))
		if len(restless)+len(wrong) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	require.Fail(f.t, "the books do not balance", "wrong: %q\nnot at rest: %q", wrong[:min(len(wrong), mostShown)], restless[:min(len(restless), mostShown)])
}

// deadlocks is how often PostgreSQL broke one.
func (f *fleet) deadlocks() int {
	f.t.Helper()
	return f.count(`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)
}

// leases are what the process leads.
func (f *fleet) leases(p *process) (names []string) {
	f.t.Helper()
	require.NoError(f.t, f.db.QueryRow(f.t.Context(), `
		SELECT coalesce(array_agg(name), '{}') FROM platform.leases WHERE holder LIKE '%/' || $1::bigint || '/%'`, p.cmd.Process.Pid).Scan(&names))
	return names
}

// crowd is buyers who order one after the other. Every second one pays, the others let their orders end.
type crowd struct {
	fleet  *fleet
	wares  []ware
	buyers []buyer

	mu      sync.Mutex
	errands []*errand
}

// errand is one order of one buyer, who asks under the same keys as often as need be.
type errand struct {
	by      buyer
	shop    int // where they asked first
	place   request
	confirm *request // nil: does not pay
	placed  told     // the first answer, or the lack of one
	paid    told

	mu      sync.Mutex
	done    bool
	answers []told // of every shop that was asked again
}

// errand goes to a shop for the next buyer; nil: there is none.
func (c *crowd) errand(shop int) *errand {
	c.mu.Lock()
	n := len(c.errands)
	if n == len(c.buyers) {
		c.mu.Unlock()
		return nil
	}
	b := c.buyers[n]
	e := &errand{by: b, shop: shop, place: b.order("place", c.wares[n%2], c.wares[1-n%2])}
	c.errands = append(c.errands, e)
	c.mu.Unlock()

	placed := c.fleet.insist(shop, b, e.place)
	var confirm *request
	var paid told
	if n%2 == 0 && placed.Status == http.StatusCreated {
		if r, err := c.fleet.authorize(b, placed); err == nil {
			confirm, paid = &r, c.fleet.insist(shop, b, r)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.placed, e.confirm, e.paid, e.done = placed, confirm, paid, true
	return e
}

// all are the errands so far.
func (c *crowd) all() []*errand {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.errands)
}

// open are the errands that wait for an answer.
func (c *crowd) open() []*errand {
	return slices.DeleteFunc(c.all(), func(e *errand) bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.done
	})
}

// again asks for everything once more at a shop.
func (e *errand) again(f *fleet, shop int) {
	e.mu.Lock()
	confirm := e.confirm
	e.mu.Unlock()
	answers := []told{f.insist(shop, e.by, e.place)}
	if confirm != nil {
		answers = append(answers, f.insist(shop, e.by, *confirm))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers = append(e.answers, answers...)
}

// askEverywhere asks for everything once more at each of the shops, and fails unless they say the same.
func (c *crowd) askEverywhere(shops ...int) {
	c.fleet.t.Helper()
	all := c.all()
	for _, shop := range shops {
		together(len(all), func(i int) { all[i].again(c.fleet, shop) })
	}
	for _, e := range all {
		require.NoError(c.fleet.t, e.check())
	}
}

// check says what is wrong with what the shops told of the errand. Who asked again was told of one order, and of one payment of it or
// of none; who was told of either at first was told the same.
func (e *errand) check() error {
	var order, money string
	for _, a := range e.answers {
		switch said := a.text("id") + a.text("approved_at") + a.Code; {
		case a.Op == "confirm" && a.Status == http.StatusAccepted: // nobody knows yet
		case a.Op == "place" && a.Status == http.StatusCreated && (order == "" || order == said):
			order = said
		case a.Op == "confirm" && (a.Status == http.StatusOK || a.Code == "payments.order_closed") && (money == "" || money == said):
			money = said
		default:
			return fmt.Errorf("told %s\namong %s", a, e.answers)
		}
	}
	switch {
	case e.placed.Status == http.StatusCreated && e.placed.text("id") != order:
		return fmt.Errorf("first of %s\nand then %s", e.placed, e.answers)
	case e.paid.Status == http.StatusOK && e.paid.text("approved_at") != money:
		return fmt.Errorf("first of %s\nand then %s", e.paid, e.answers)
	}
	return nil
}

// statuses counts the first answers.
func statuses(errands []*errand) map[int]int {
	counts := map[int]int{}
	for _, e := range errands {
		counts[e.placed.Status]++
		if e.confirm != nil {
			counts[e.paid.Status]++
		}
	}
	return counts
}
