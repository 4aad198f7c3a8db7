package outbox

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/pg"
)

// attempts is how often a transaction runs that loses one race for a lock after the other.
const attempts = 4

var repeats = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "shop_tx_repeats_total",
	Help: "Transactions that lost a race for a lock and ran again, by SQLSTATE: 40001 serialization failure, 40P01 deadlock, 55P03 lock timeout.",
}, []string{"module", "code"})

// Collectors are the metrics of every outbox in this process.
func Collectors() []prometheus.Collector { return []prometheus.Collector{repeats} }

// InTx runs fn in a transaction and wakes the relay after the commit. An error from fn rolls back and is returned as it is.
//
// fn may run more than once: a transaction that lost a race for a lock has changed nothing, and runs again after a moment, four times
// in all. So fn sets what it hands out of the transaction anew each time, and does nothing that a rollback does not undo. A
// connection that was lost is no such race: nobody knows then what was committed, and the caller is told.
func (o *Outbox) InTx(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginFunc(ctx, pool, fn)
		if err == nil {
			o.Wake()
			return nil
		}
		code := pg.Code(err)
		switch code {
		case "40001", "40P01", "55P03":
		default:
			return err
		}
		if attempt == attempts || !pause(ctx, attempt) {
			return err
		}
		repeats.WithLabelValues(o.module, code).Inc()
	}
}

// pause waits about 5, 20 and 80 ms, and says whether the caller still waits. Two who lost the same race do not meet again.
func pause(ctx context.Context, attempt int) bool {
	base := 5 * time.Millisecond << (2 * (attempt - 1))
	return clock.Sleep(ctx, clock.About(base)) == nil
}
