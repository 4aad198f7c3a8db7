// Package leases decides who leads: for each name at most one holder at a time, over all instances of the shop.
//
// A lease is a row of platform.leases. It runs for five seconds on the server's clock and is renewed each one and a half.
// Its epoch grows with each change of hands. A holder can be stopped (SIGSTOP, a dead network) and wake after its lease
// went to another, so two things guard what it does:
//   - its context ends before the lease does, by this process's own monotonic clock, which needs no answer from the
//     server and runs on while the process is stopped;
//   - a write that must not come from a former holder calls [Check] in its transaction.
//
// What can bear to be done twice (sending an event: the inbox absorbs it) needs only the first.
package leases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var (
	leaseTaken   = failpoint.New("leases.hold.taken")   // the lease is ours, nothing is done under it
	leaseRenewed = failpoint.New("leases.hold.renewed") // the server has renewed it, we have not noted that
)

// ErrLost is the cause of a context that ended because the lease did, and what [Check] returns to a former holder.
var ErrLost = errors.New("the lease is lost")

// ErrYield is what work returns to give up its lease for another instance to take: it is not asked for again before the
// others have had the time to.
var ErrYield = errors.New("the lease is another's turn")

// errReleased ends the context of work that has returned.
var errReleased = errors.New("the lease is released")

const (
	lifetime   = 5 * time.Second
	renewEvery = 1500 * time.Millisecond
	askEvery   = 500 * time.Millisecond // by those who wait for a lease
	margin     = 500 * time.Millisecond // the holder stops this long before its lease ends
)

// Leases holds leases in the name of one holder, which is one instance of the shop. All of them are renewed with one
// statement.
type Leases struct {
	pool   *pgxpool.Pool
	holder string

	lifetime, renewEvery, askEvery, margin time.Duration

	mu   sync.Mutex
	held map[string]*lease
	stop context.CancelFunc // ends the renewer, which runs while anything is held
}

// lease is one that this instance holds.
type lease struct {
	epoch int64
	lose  context.CancelCauseFunc
	end   *time.Timer // loses it at the local deadline
}

// New returns the leases of the database behind pool, taken in the name of holder. Two processes never have the same
// holder: [Holder] makes one up.
func New(pool *pgxpool.Pool, holder string) *Leases {
	return &Leases{
		pool: pool, holder: holder, held: map[string]*lease{},
		lifetime: lifetime, renewEvery: renewEvery, askEvery: askEvery, margin: margin,
	}
}

// Hold blocks until ctx ends. Whenever this instance gets the lease it runs work, with a context that ends when the
// lease is lost. When work returns nil the lease is released and asked for again at once; when it returns an error, after
// a pause, so that another instance may try. What Hold returns is ctx's error.
func (l *Leases) Hold(ctx context.Context, name string, work func(ctx context.Context, epoch int64) error) error {
	for ctx.Err() == nil {
		sent := time.Now()
		epoch, err := l.acquire(ctx, name)
		if err != nil || epoch == 0 {
			if err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "cannot ask for a lease", "lease", name, "error", err)
			}
			_ = clock.Sleep(ctx, clock.About(l.askEvery))
			continue
		}
		leaseTaken.Hit()
		if err := l.lead(ctx, name, epoch, sent, work); err != nil && ctx.Err() == nil {
			if !errors.Is(err, ErrYield) {
				slog.WarnContext(ctx, "gave up a lease", "lease", name, "error", err)
			}
			_ = clock.Sleep(ctx, clock.About(2*l.askEvery))
		}
	}
	return ctx.Err()
}

// lead runs work under the lease, which was asked for at the time sent, and releases it afterwards.
func (l *Leases) lead(ctx context.Context, name string, epoch int64, sent time.Time, work func(context.Context, int64) error) error {
	ctx, lose := context.WithCancelCause(ctx)
	mine := &lease{epoch: epoch, lose: lose}
	mine.end = time.AfterFunc(time.Until(l.deadline(sent)), func() { lose(ErrLost) })

	l.keep(name, mine)

	defer func() {
		mine.end.Stop()
		lose(errReleased)
		l.drop(name)
		l.release(context.WithoutCancel(ctx), name, epoch)
	}()
	err := work(ctx, epoch)
	if context.Cause(ctx) == ErrLost {
		return ErrLost
	}
	return err
}

// keep has the lease renewed.
func (l *Leases) keep(name string, mine *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[name] = mine
	if len(l.held) == 1 {
		var ctx context.Context
		ctx, l.stop = context.WithCancel(context.Background())
		go l.renew(ctx)
	}
}

// drop has it renewed no longer.
func (l *Leases) drop(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, name)
	if len(l.held) == 0 {
		l.stop()
	}
}

// deadline is when a holder stops whose request was sent at that time: the server counts from later on.
func (l *Leases) deadline(sent time.Time) time.Time { return sent.Add(l.lifetime - l.margin) }

// acquire returns the epoch of the lease, or zero if another has it: then it has only read.
func (l *Leases) acquire(ctx context.Context, name string) (epoch int64, err error) {
	err = l.pool.QueryRow(ctx, `
INSERT INTO platform.leases AS held (name, holder, epoch, until)
SELECT $1, $2, 1, clock_timestamp() + $3::interval
WHERE NOT EXISTS (SELECT FROM platform.leases WHERE name = $1 AND until >= clock_timestamp())
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = held.epoch + 1, until = clock_timestamp() + $3::interval
WHERE held.until < clock_timestamp()
RETURNING epoch`, name, l.holder, l.lifetime).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return epoch, err
}

// release lets the next one take over at once. If it fails, the lease runs out by itself.
func (l *Leases) release(ctx context.Context, name string, epoch int64) {
	ctx, cancel := context.WithTimeout(ctx, l.renewEvery)
	defer cancel()
	_, err := l.pool.Exec(ctx, `
UPDATE platform.leases SET until = '-infinity' WHERE name = $1 AND holder = $2 AND epoch = $3`, name, l.holder, epoch)
	if err != nil {
		slog.WarnContext(ctx, "cannot release a lease; it runs out by itself", "lease", name, "error", err)
	}
}

// renew renews all that is held until ctx ends.
func (l *Leases) renew(ctx context.Context) {
	tick := time.NewTicker(l.renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.extend(ctx)
		}
	}
}

// extend renews the leases. Those that the server no longer knows as ours are lost; if it doesn't answer, the local
// deadlines decide.
func (l *Leases) extend(ctx context.Context) {
	l.mu.Lock()
	held := maps.Clone(l.held)
	l.mu.Unlock()
	names, epochs := make([]string, 0, len(held)), make([]int64, 0, len(held))
	for name, mine := range held {
		names, epochs = append(names, name), append(epochs, mine.epoch)
	}

	sent := time.Now()
	ctx, cancel := context.WithDeadline(ctx, l.deadline(sent))
	defer cancel()
	rows, _ := l.pool.Query(ctx, `
UPDATE platform.leases SET until = clock_timestamp() + $4::interval
FROM unnest($1::text[], $2::bigint[]) AS mine (name, epoch)
WHERE leases.name = mine.name AND leases.epoch = mine.epoch AND leases.holder = $3
RETURNING leases.name`, names, epochs, l.holder, l.lifetime)
	renewed, err := pgx.CollectRows(rows, pgx.RowTo[string]) // an error of Query is met here too
	if err != nil {
		if ctx.Err() != context.Canceled {
			slog.WarnContext(ctx, "cannot renew leases", "leases", names, "error", err)
		}
		return
	}
	leaseRenewed.Hit()
	for _, name := range renewed {
		// A timer that has fired has cancelled the context for good: a late renewal revives nothing.
		held[name].end.Reset(time.Until(l.deadline(sent)))
		delete(held, name)
	}
	for _, lost := range held {
		lost.lose(ErrLost)
	}
}

// Check returns [ErrLost] unless the lease still has the epoch, and keeps it so until tx ends. Such a write is safe even
// if the lease has run out in the meantime: nobody else has got it.
func Check(ctx context.Context, tx pgx.Tx, name string, epoch int64) error {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM platform.leases WHERE name = $1 AND epoch = $2 FOR SHARE`, name, epoch).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrLost
	}
	if err != nil {
		return fmt.Errorf("check the lease %s: %w", name, err)
	}
	return nil
}
