package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sasapick/shop/internal/payments/paymentsfx"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// grounds are what a shop that is killed stands on.
type grounds string

const (
	allEmbedded grounds = "all embedded" // the database and the emulator of Toss die with the shop
	logInside   grounds = "bus embedded" // a database and an emulator of Toss of their own
	onKafka     grounds = "on Kafka"     // the same, and a broker in the process of the test
	realKafka   grounds = "on a real Kafka"
)

// world is a shop with a crowd in it, and everything by which can be told whether it lost anything.
type world struct {
	t       *testing.T
	grounds grounds
	p       *process
	db      *pgxpool.Pool // of the superuser
	load    *load
	toss    string // the file in which the emulator of Toss keeps what it took
	dice    *rand.Rand
	started time.Time     // the shop, last
	before  *lockedBuffer // what it logged the time before
}

// newWorld opens a shop and lets so many shoppers wait in front of it.
func newWorld(t *testing.T, g grounds, seed uint64, shoppers int) *world {
	t.Helper()
	w := &world{t: t, grounds: g, dice: rand.New(rand.NewPCG(seed, 0))}
	w.load = &load{http: &http.Client{Transport: &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 2 * shoppers}}}
	settings := map[string]string{
		"SHOP_DEMO": "false", "SHOP_LOG_LEVEL": "warn", "SHOP_DATABASE_CONNS": "6",
		"SHOP_ORDER_TTL": "6s", "SHOP_ORDER_TAKE_OVER": "1s", "SHOP_ORDER_RECOVER_AFTER": "2s",
	}
	if g != allEmbedded {
		settings["SHOP_DATABASE_URL"] = pgtest.URL(t)
		settings["SHOP_TOSS_URL"], w.toss = emulator(t)
		w.load.control = true
	}
	switch g {
	case onKafka:
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		require.NoError(t, err)
		t.Cleanup(cluster.Close)
		settings["SHOP_KAFKA_BROKERS"], settings["SHOP_KAFKA_PARTITIONS"] = strings.Join(cluster.ListenAddrs(), ","), "4"
	case realKafka:
		settings = realKafkaSettings(t, settings)
	}
	w.p = newProcess(t, settings)
	w.load.base, w.load.toss = w.p.base, w.p.base
	if g == allEmbedded {
		w.toss = filepath.Join(w.p.env["SHOP_DATA_DIR"], "toss.journal")
	} else {
		w.load.toss = settings["SHOP_TOSS_URL"]
	}
	w.before = w.p.log
	w.connect()
	w.settle(seed, shoppers)
	return w
}

// emulator is an emulator of Toss that lives longer than the shop, and the file that it keeps.
func emulator(t *testing.T) (address, file string) {
	t.Helper()
	dir := t.TempDir()
	handler, end, err := paymentsfx.Emulator(config.Config{DataDir: dir})
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		require.NoError(t, end())
	})
	return server.URL, filepath.Join(dir, "toss.journal.alone")
}

// connect opens the database anew: an embedded one comes and goes with the shop.
func (w *world) connect() {
	w.t.Helper()
	if w.db != nil && w.grounds != allEmbedded {
		return
	}
	if w.db != nil {
		w.db.Close()
	}
	address := w.p.env["SHOP_DATABASE_URL"]
	if w.grounds == allEmbedded {
		b, err := os.ReadFile(filepath.Join(w.p.env["SHOP_DATA_DIR"], "running.json"))
		require.NoError(w.t, err)
		var lent loan
		require.NoError(w.t, json.Unmarshal(b, &lent))
		address = lent.DatabaseURL
	}
	var err error
	w.db, err = pgxpool.New(w.t.Context(), address)
	require.NoError(w.t, err)
	w.t.Cleanup(w.db.Close)
	w.load.db = w.db
}

// poisonable lets accounts fail for the shoppers in a table, with what PostgreSQL says of a broken rule.
const poisonable = `
	CREATE TABLE public.poisoned (account_id uuid PRIMARY KEY);
	CREATE TABLE public.dropped (event_id uuid PRIMARY KEY);
	CREATE FUNCTION public.poison() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM public.poisoned p WHERE p.account_id = NEW.account_id) THEN
			RAISE EXCEPTION '` + poisoned + `' USING ERRCODE = 'check_violation';
		END IF;
		RETURN NEW;
	END
	$$;
	CREATE TRIGGER poison BEFORE INSERT ON accounts.notifications FOR EACH ROW EXECUTE FUNCTION public.poison()`

// settle brings in goods and people. Their accounts and tokens are made as the shop makes them, but for the passwords, which take long.
func (w *world) settle(seed uint64, shoppers int) {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.db.Exec(ctx, poisonable)
	require.NoError(w.t, err)
	boss := w.p.signIn("admin@shop.test", adminPassword)
	var kid string
	var secret []byte
	require.NoError(w.t, w.db.QueryRow(ctx, `SELECT kid, seed FROM accounts.signing_keys ORDER BY generation LIMIT 1`).Scan(&kid, &secret))
	someone := func(id uuid.UUID, role auth.Role, n int) visitor {
		token, err := auth.Sign(ed25519.NewKeyFromSeed(secret), kid, auth.Principal{AccountID: id, SessionID: uuid.New(), Role: role}, time.Now(), 24*time.Hour)
		require.NoError(w.t, err)
		return visitor{load: w.load, id: id.String(), token: token, dice: rand.New(rand.NewPCG(seed, uint64(n+1)))}
	}
	var admin uuid.UUID
	require.NoError(w.t, w.db.QueryRow(ctx, `SELECT id FROM accounts.accounts WHERE role = 'admin'`).Scan(&admin))
	for i := range managers {
		w.load.managers = append(w.load.managers, &manager{someone(admin, auth.Admin, shoppers+i)})
	}
	_, err = w.db.Exec(ctx, `UPDATE accounts.tiers SET from_won = CASE name WHEN 'silver' THEN 1 WHEN 'gold' THEN 40000 WHEN 'vip' THEN 80000 END WHERE name <> 'bronze'`)
	require.NoError(w.t, err) // so that many get into another one
	for i := range shoppers {
		account, address := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
		_, err := w.db.Exec(ctx, `
			INSERT INTO accounts.accounts (id, version, email, name, password_hash, role, state, tokens_from, created_at, updated_at)
			VALUES ($1, 1, $2, '김지은', '$argon2id$', 'shopper', 'active', now() - interval '1 hour', now(), now())`, account, fmt.Sprintf("shopper-%d@example.com", i))
		require.NoError(w.t, err)
		_, err = w.db.Exec(ctx, `
			WITH told AS (
				INSERT INTO accounts.outbox (event_id, type, key, aggregate_version, occurred_at, data, published_at)
				VALUES ($1, 'accounts.registered.v1', $2, 1, now(), '{}', now()) RETURNING event_id)
			INSERT INTO coupons.inbox (event_id) SELECT event_id FROM told`, uuid.Must(uuid.NewV7()), account)
		require.NoError(w.t, err)
		_, err = w.db.Exec(ctx, `
			INSERT INTO accounts.addresses (id, account_id, alias, recipient, phone, zipcode, line1, line2, is_default, created_at, updated_at)
			VALUES ($1, $2, '집', '김지은', '010-1234-5678', '04524', '서울특별시 중구 세종대로 110', '', true, now(), now())`, address, account)
		require.NoError(w.t, err)
		w.load.shoppers = append(w.load.shoppers, &shopper{visitor: someone(account, auth.Shopper, i), address: address.String()})
	}

	category := boss.want(201, "POST", "/admin/categories", map[string]any{"slug": "shoes", "name": "신발"}).Body["id"]
	for i := range 15 {
		g := ware{price: int64(6_000 + 2_000*i)}
		pieces, limit := 100_000, 0
		if i == 0 {
			pieces = 150
		}
		if i == 1 {
			limit = 8
		}
		g.id = boss.want(201, "POST", "/admin/products", map[string]any{
			"category_id": category, "name": fmt.Sprintf("운동화 %d", i), "brand": "나이키", "list_price_won": g.price, "price_won": g.price, "limit_per_customer": limit,
		}).Body["id"].(string)
		boss.want(200, "POST", "/admin/products/"+g.id+"/publish", nil)
		if i >= 7 {
			w.load.gone = append(w.load.gone, g)
			continue
		}
		a, _ := w.load.managers[0].ask(request{
			op: "move", method: "POST", path: "/admin/products/" + g.id + "/stock-movements", key: uuid.NewString(), subject: g.id,
			body: map[string]any{"kind": "receive", "quantity": pieces, "reason": "delivery"},
		})
		require.Equal(w.t, 201, a.Status, a)
		if i == 0 {
			w.load.hot = g
		} else {
			w.load.others = append(w.load.others, g)
		}
	}
	boss.want(201, "POST", "/admin/coupons", map[string]any{
		"name": "Hello", "kind": "welcome", "quantity": 100_000, "discount": map[string]any{"amount_won": 500},
		"starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(24 * time.Hour).UTC(),
	})
	w.load.campaign = boss.want(201, "POST", "/admin/coupons", map[string]any{
		"name": "Welcome", "quantity": shoppers * 3 / 4, "discount": map[string]any{"amount_won": 1000}, "starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(24 * time.Hour).UTC(),
	}).Body["id"].(string)
}

// passTime brings forward what the dead process was about to do: who lives waits for as long as its calls might have taken.
func (w *world) passTime(ctx context.Context) error {
	for _, sql := range []string{
		`UPDATE payments.attempts SET next_at = now() WHERE id IN (
			SELECT id FROM payments.attempts WHERE state IN ('sent', 'awaiting_deposit') AND next_at > now() FOR UPDATE SKIP LOCKED)`,
		`UPDATE payments.refunds SET next_at = now() WHERE id IN (
			SELECT id FROM payments.refunds WHERE state IN ('requested', 'sent') AND next_at > now() FOR UPDATE SKIP LOCKED)`,
		`UPDATE payments.webhooks SET next_at = now() WHERE transmission_id IN (
			SELECT transmission_id FROM payments.webhooks WHERE processed_at IS NULL AND next_at > now() FOR UPDATE SKIP LOCKED)`,
		`UPDATE ordering.orders SET attend_at = now() WHERE id IN (
			SELECT id FROM ordering.orders WHERE state IN ('pending', 'canceling') AND attend_at > now() FOR UPDATE SKIP LOCKED)`,
	} {
		if _, err := w.db.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// holdTime keeps orders that can be paid from expiring, or lets them: while one after the other does, the shop is never at rest. Those
// whose end was broken off expire at once.
func (w *world) holdTime(hold bool) error {
	until := `o.expires_at`
	if hold {
		until = `CASE p.state WHEN 'closed' THEN now() ELSE now() + interval '1 hour' END`
	}
	_, err := w.db.Exec(w.t.Context(), `
		UPDATE ordering.orders o SET attend_at = `+until+` FROM payments.payments p WHERE p.order_id = o.id AND o.id IN (
			SELECT id FROM ordering.orders WHERE state = 'awaiting_payment' FOR UPDATE SKIP LOCKED)`)
	return err
}

// realKafkaSettings have a shop on the real Kafka, with topics that are its own.
func realKafkaSettings(t *testing.T, more map[string]string) map[string]string {
	t.Helper()
	brokers, prefix := stacktest.Kafka(t)
	settings := map[string]string{"SHOP_KAFKA_BROKERS": strings.Join(brokers, ","), "SHOP_KAFKA_PREFIX": prefix, "SHOP_KAFKA_PARTITIONS": "4"}
	maps.Copy(settings, more)
	return settings
}
