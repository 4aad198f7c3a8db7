package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/bench/benchfx"
	"github.com/sasapick/shop/internal/platform/pg"
)

// plenty is more than can be given while something is measured.
const plenty = 1 << 40

// giveaway is something of which there is a number, for those who come first: the coupons of a campaign, the slots of a drop. Its methods
// are what the ways of giving one need of it.
type giveaway interface {
	words() words
	// announce makes one with so many, open to anybody.
	announce(ctx context.Context, conn *pgxpool.Conn, quantity int64) (uuid.UUID, error)
	// clear empties the tables that all of them fill, but for the outboxes.
	clear(ctx context.Context, conn *pgxpool.Conn) error
	// count reads what the database has of one.
	count(ctx context.Context, conn *pgxpool.Conn, of uuid.UUID) (tally, error)

	// atShop is how the shop gives.
	atShop(ctx context.Context, w *world, shop *benchfx.Shop) (func(ctx context.Context, g grant) error, error)
	// byStatement gives in a transaction of one statement.
	byStatement(ctx context.Context, pool *pgxpool.Pool, g grant) error
	// byLock gives in a transaction that reads what is left and writes it back less one: nobody else may do so meanwhile.
	byLock(ctx context.Context, tx pgx.Tx, g grant) error
	// queue adds the rows of grants of the same giveaway, to accounts that hold nothing yet, to a batch, which is a transaction.
	queue(ctx context.Context, b *pgx.Batch, grants []grant) error
}

// giveaways are all, by the names of their parts of the report.
var giveaways = map[string]giveaway{claims{}.words().id: claims{}, slots{}.words().id: slots{}}

// words are what the report calls it.
type words struct {
	id    string // of its tables: claims
	title string // Claims of one coupon
	one   string // claim
	what  string // coupon
	of    string // campaign
}

// grant is one for an account.
type grant struct {
	ID uuid.UUID // of what the account gets
	Of uuid.UUID // the giveaway
	To uuid.UUID
	At time.Time
}

func grantOf(giveaway, account uuid.UUID) grant {
	return grant{ID: uuid.Must(uuid.NewV7()), Of: giveaway, To: account, At: time.Now().UTC().Truncate(time.Millisecond)}
}

// openPool connects to the world's database, with so many connections for who measures with them.
func (w *world) openPool(ctx context.Context, conns int) (*pgxpool.Pool, error) {
	return pg.Open(ctx, pg.Config{URL: w.url, Name: "bench", MaxConns: int32(conns), AcquireTimeout: patience})
}

// onDatabase lets f use one connection to the world's database.
func (w *world) onDatabase(ctx context.Context, f func(*pgxpool.Conn) error) error {
	pool, err := w.openPool(ctx, 1)
	if err != nil {
		return err
	}
	defer pool.Close()
	return pool.AcquireFunc(ctx, f)
}

func (w *world) announce(ctx context.Context, g giveaway, quantity int64) (id uuid.UUID, err error) {
	err = w.onDatabase(ctx, func(conn *pgxpool.Conn) error {
		id, err = g.announce(ctx, conn, quantity)
		return err
	})
	return id, err
}

// clear lets each measurement begin with the same.
func (w *world) clear(ctx context.Context, g giveaway) error {
	if err := w.forget(ctx); err != nil {
		return err
	}
	return w.onDatabase(ctx, func(conn *pgxpool.Conn) error { return g.clear(ctx, conn) })
}

// tally compares what callers were told of a giveaway with what the database has of it.
type tally struct {
	promised int64 // that somebody was told he has
	rows     int64
	holders  int64 // that have any
	counted  int64 // by the giveaway's counter
}

func (t tally) lost() int64      { return max(0, t.promised-t.rows) }
func (t tally) doubled() int64   { return t.rows - t.holders }
func (t tally) miscounted() bool { return t.counted != t.rows }

func (w *world) tally(ctx context.Context, g giveaway, of uuid.UUID, promised int64) (t tally, err error) {
	err = w.onDatabase(ctx, func(conn *pgxpool.Conn) error {
		t, err = g.count(ctx, conn, of)
		return err
	})
	t.promised = promised
	return t, err
}

// outcome says what became of all that was promised.
func outcome(name string, words words, tallies ...tally) string {
	var promised, lost, doubled int64
	wrong := 0
	for _, t := range tallies {
		promised, lost, doubled = promised+t.promised, lost+t.lost(), doubled+t.doubled()
		if t.miscounted() {
			wrong++
		}
	}
	says := fmt.Sprintf("%s: of %d %ss, lost %d, doubled %d", name, promised, words.one, lost, doubled)
	if wrong > 0 {
		says += fmt.Sprintf("; in %d of %d %ss the counter is not the number of its %ss", wrong, len(tallies), words.of, words.what)
	}
	return says
}
