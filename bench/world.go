package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog/catalogfx"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/embedded"
	"github.com/sasapick/shop/internal/platform/pg"
)

const (
	products = 10_000
	shoppers = 10_000
	stock    = 1_000_000_000 // of each product
)

// world is what is measured in: a database that is made for it, with goods that never run out and shoppers with an address each.
type world struct {
	settings   settings
	folder     string             // of logs and of what the processes hand each other
	own        *embedded.Postgres // nil: the server is somebody's
	server     string
	admin      *pgx.Conn // to the server, not to the database
	postmaster int       // 0: it cannot be seen from here
	name       string
	url        string
	copies     int
	goods      []good
	people     []person
	key        ed25519.PrivateKey // that signs their tokens
	keyID      string
}

type good struct {
	id       uuid.UUID
	priceWon int64
	drop     uuid.UUID // of which it is ordered; zero: of general stock
}

type person struct {
	id, address uuid.UUID
	token       string
}

func newWorld(ctx context.Context, s settings) (_ *world, err error) {
	w := &world{settings: s, name: "shop_bench_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]}
	defer func() {
		if err != nil {
			_ = w.close()
		}
	}()
	if w.folder, err = os.MkdirTemp("", "shop-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	w.server = s.Database
	if w.server == "" {
		if err := os.Chmod(w.folder, 0o711); err != nil { // a PostgreSQL that root starts is somebody else
			return nil, fmt.Errorf("open the folder: %w", err)
		}
		w.own, err = embedded.StartPostgres(ctx, embedded.PostgresOptions{
			Dir: filepath.Join(w.folder, "postgres"), Settings: map[string]string{"max_connections": "400"},
		})
		if err != nil {
			return nil, fmt.Errorf("start PostgreSQL: %w", err)
		}
		w.server = w.own.URL()
	}
	if w.admin, err = pgx.Connect(ctx, w.server); err != nil {
		return nil, fmt.Errorf("reach PostgreSQL: %w", err)
	}
	if err := w.requireDisk(ctx); err != nil {
		return nil, err
	}
	_, w.postmaster = w.dataFolder(ctx)
	u, err := url.Parse(w.server)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	if _, err := w.admin.Exec(ctx, `CREATE DATABASE `+w.name); err != nil {
		return nil, fmt.Errorf("make a database: %w", err)
	}
	u.Path = "/" + w.name
	w.url = u.String()
	if err := pg.MigrateAll(ctx, w.url, nil, config.Modules); err != nil {
		return nil, fmt.Errorf("make the schemas: %w", err)
	}
	return w, nil
}

// tidy leaves nothing for the server to do while something is measured.
func (w *world) tidy(ctx context.Context) error {
	return w.onDatabase(ctx, func(conn *pgxpool.Conn) error {
		for _, statement := range []string{`VACUUM`, `ANALYZE`} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("tidy up: %w", err)
			}
		}
		return nil
	})
}

// requireDisk refuses a server that answers before its disk does: its figures would be another shop's.
func (w *world) requireDisk(ctx context.Context) error {
	for setting, bad := range map[string]string{"fsync": "off", "synchronous_commit": "off"} {
		var is string
		if err := w.admin.QueryRow(ctx, `SELECT current_setting($1)`, setting).Scan(&is); err != nil {
			return fmt.Errorf("read %s: %w", setting, err)
		}
		if is == bad {
			return fmt.Errorf("%s is off on this PostgreSQL: nothing that is measured on it would be kept", setting)
		}
	}
	return nil
}

// inhabit is the part that comes before others: it brings the goods and the shoppers.
func inhabit(ctx context.Context, w *world, _ *report) error {
	if err := w.populate(ctx, products, shoppers); err != nil {
		return err
	}
	return w.tidy(ctx)
}

// seedInto puts the first products of the demo shop into a database, with their categories.
func seedInto(ctx context.Context, database string, products int) error {
	d, err := pg.OpenAll(ctx, database, nil, []string{"catalog"}, pg.Config{MaxConns: 2})
	if err != nil {
		return err
	}
	defer d.Close()
	return catalogfx.NewSeeder(d).Seed(ctx, products, nil)
}

func (w *world) populate(ctx context.Context, products, shoppers int) error {
	if err := seedInto(ctx, w.url, products); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, w.url)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range []string{
		`UPDATE catalog.products SET limit_per_customer = 0`,
		fmt.Sprintf(`INSERT INTO catalog.stock_movements (id, pool_id, kind, quantity, reason, at)
			SELECT gen_random_uuid(), id, 'receive', %d - on_hand, 'for a measurement', now() FROM catalog.pools`, stock),
		fmt.Sprintf(`UPDATE catalog.pools SET on_hand = %d`, stock),
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("stock up: %w", err)
		}
	}
	if err := w.readGoods(ctx, conn); err != nil {
		return err
	}
	return w.register(ctx, conn, shoppers)
}

func (w *world) readGoods(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT id, price_won FROM catalog.products ORDER BY id`)
	if err != nil {
		return fmt.Errorf("read the products: %w", err)
	}
	w.goods, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (g good, err error) { return g, row.Scan((*[16]byte)(&g.id), &g.priceWon) })
	if err != nil {
		return fmt.Errorf("read the products: %w", err)
	}
	return nil
}

// register makes accounts with an address and a token that outlives the measurement.
func (w *world) register(ctx context.Context, conn *pgx.Conn, shoppers int) error {
	now := time.Now().UTC()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	w.key, w.keyID = private, uuid.NewString()
	if _, err := conn.Exec(ctx, `INSERT INTO accounts.signing_keys (generation, kid, seed, created_at, active_from) VALUES (1, $1, $2, $3, $3)`,
		w.keyID, w.key.Seed(), now.Add(-time.Minute)); err != nil {
		return fmt.Errorf("keep the key: %w", err)
	}
	w.people = make([]person, shoppers)
	accounts, addresses := make([][]any, shoppers), make([][]any, shoppers)
	for i := range w.people {
		p := person{id: uuid.Must(uuid.NewV7()), address: uuid.Must(uuid.NewV7())}
		if p.token, err = w.sign(p.id, auth.Shopper, now); err != nil {
			return err
		}
		w.people[i] = p
		accounts[i] = []any{[16]byte(p.id), 1, fmt.Sprintf("shopper-%d@example.com", i), "김지은", "$argon2id$none", "shopper", "active", now, now, now}
		addresses[i] = []any{[16]byte(p.address), [16]byte(p.id), "집", "김지은", "010-1234-5678", "04524", "세종대로 110", "101동 1001호", true, now, now}
	}
	for _, copied := range []struct {
		table   string
		columns []string
		rows    [][]any
	}{
		{"accounts", []string{"id", "version", "email", "name", "password_hash", "role", "state", "tokens_from", "created_at", "updated_at"}, accounts},
		{"addresses", []string{"id", "account_id", "alias", "recipient", "phone", "zipcode", "line1", "line2", "is_default", "created_at", "updated_at"}, addresses},
	} {
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{"accounts", copied.table}, copied.columns, pgx.CopyFromRows(copied.rows)); err != nil {
			return fmt.Errorf("copy %s: %w", copied.table, err)
		}
	}
	return nil
}

// sign makes a token for a session of its own.
func (w *world) sign(account uuid.UUID, role auth.Role, now time.Time) (string, error) {
	token, err := auth.Sign(w.key, w.keyID, auth.Principal{AccountID: account, SessionID: uuid.New(), Role: role}, now, 24*time.Hour)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}

// forget empties the outboxes, so that nobody publishes what another measurement left.
func (w *world) forget(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, w.url)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, m := range config.Modules {
		if _, err := conn.Exec(ctx, `TRUNCATE `+m+`.outbox`); err != nil {
			return fmt.Errorf("empty an outbox: %w", err)
		}
	}
	return nil
}

// copied makes a database that is as this world's is, with nothing of it to be written any more. The caller calls drop after its last use.
func (w *world) copied(ctx context.Context) (database string, drop func() error, err error) {
	w.copies++
	name := fmt.Sprintf("%s_%d", w.name, w.copies)
	if _, err := w.admin.Exec(ctx, `CREATE DATABASE `+name+` TEMPLATE `+w.name+` STRATEGY file_copy`); err != nil { // with a checkpoint before and after
		return "", nil, fmt.Errorf("copy the database: %w", err)
	}
	u, err := url.Parse(w.url)
	if err != nil {
		return "", nil, fmt.Errorf("read the database's URL: %w", err)
	}
	u.Path = "/" + name
	return u.String(), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return w.drop(ctx, name)
	}, nil
}

func (w *world) drop(ctx context.Context, name string) error {
	// Not with FORCE, which would end autovacuum's workers too: only who may do that may ask for it. Without, the server sends them away itself.
	_, ended := w.admin.Exec(ctx, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND usename = current_user`, name)
	_, err := w.admin.Exec(ctx, `DROP DATABASE IF EXISTS `+name)
	return errors.Join(ended, err)
}

// close drops the database, whatever became of the measurement.
func (w *world) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if w.admin != nil {
		errs = append(errs, w.drop(ctx, w.name), w.admin.Close(ctx))
	}
	if w.own != nil {
		errs = append(errs, w.own.Stop(ctx))
	}
	if w.folder != "" {
		errs = append(errs, os.RemoveAll(w.folder))
	}
	return errors.Join(errs...)
}
