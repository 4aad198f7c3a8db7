package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/batch"
)

// Each flight has a connection of its own, and so has the job that settles: however many shoppers read, and whatever the bus and the
// admins do, orders get through, and however many orders there are, the others find the module's pool as it was.
//
// There are few, as flights do not get faster by the number. What is spread over ten thousand products costs the database less in
// two flights of 128 orders than in eight of 32, and two flights for one product only wait for each other. Reservations have two,
// so that a pool which somebody else holds for long stops half of the shop at most; what reads has one.
const (
	reserveFlights = 2
	offerFlights   = 1
	settleJobs     = 1
)

// flights are the limits of the groups, by what they do.
type flights struct{ reserve, offers batch.Config }

func flightsWithin(l batch.Limits) flights {
	return flights{
		reserve: batch.Config{Name: "catalog.reserve", Shards: reserveFlights}.Within(l),
		offers:  batch.Config{Name: "catalog.offers", Shards: offerFlights}.Within(l),
	}
}

// connections returns a pool with a connection for each flight, but no more than the module's own pool has.
//
// Their statements look rows up by their keys, some by one and some by hundreds, and must never be planned anew for each number,
// nor, while a table is young, with a scan of it: it grows faster than its statistics. So they are planned once, with the indexes.
func (f flights) connections(pool *pgxpool.Pool) (*pgxpool.Pool, error) {
	config := pool.Config()
	config.MaxConns = min(config.MaxConns, int32(f.reserve.Shards+f.offers.Shards+settleJobs))
	config.MinConns, config.MinIdleConns = 0, 0
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	config.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	own, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("open connections for flights: %w", err)
	}
	return own, nil
}

// busy says a full queue in the module's own words.
func busy(err error) error {
	if errors.Is(err, batch.ErrBusy) {
		return fmt.Errorf("%w: %w", catalog.ErrBusy.WithRetryAfter(time.Second), err)
	}
	return err
}

// giveBack returns a connection to the pool, out of any transaction.
func giveBack(ctx context.Context, conn *pgxpool.Conn) {
	if !conn.Conn().IsClosed() && conn.Conn().PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.Exec(ctx, "rollback") // one that fails leaves a connection which the pool closes
	}
	conn.Release()
}
