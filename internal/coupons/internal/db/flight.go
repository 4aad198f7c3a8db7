package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/pg"
)

// A flight of claims is one transaction in one round trip: Give. What it leaves over is one in two: Board inserts the coupons and locks the
// counters, Land settles what was decided in between and commits. The statements stand here because sqlc has no pgx.Batch of mixed
// statements.

// claimPlans keeps the planner from reading whole tables: a plan that was made and cached while coupons.coupons was small
// would otherwise stay, and read all of it for each flight of a sale that has grown it.
const claimPlans = `SET LOCAL enable_seqscan = off`

// giveCoupons inserts coupons, counts them and tells of them, and returns those that it did not insert: somebody holds one already, or
// nobody gets one. It judges by what was committed when it began. The counter's row, once locked, has the last word: beyond its quantity,
// or outside of its window (NULL), it refuses the whole statement. claimed_at is the process's clock, and must be in the window too.
// The order keeps two instances from waiting for each other in a circle.
const giveCoupons = `
WITH fresh AS (
    INSERT INTO coupons.coupons (id, version, campaign_id, account_id, claimed_at)
    SELECT w.id, 1, w.campaign_id, w.account_id, w.at
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) AS w (id, campaign_id, account_id, at)
    JOIN coupons.counters n ON n.campaign_id = w.campaign_id
    WHERE n.taken < n.quantity
      AND least(w.at, clock_timestamp()) >= n.starts_at AND greatest(w.at, clock_timestamp()) < n.ends_at
    ORDER BY w.campaign_id, w.account_id
    ON CONFLICT (campaign_id, account_id) DO NOTHING
    RETURNING id, campaign_id, claimed_at
), counted AS (
    UPDATE coupons.counters n
    SET taken = CASE WHEN clock_timestamp() >= n.starts_at AND clock_timestamp() < n.ends_at THEN n.taken + f.many END
    FROM (SELECT campaign_id, count(*) AS many FROM fresh GROUP BY campaign_id ORDER BY campaign_id) f
    WHERE n.campaign_id = f.campaign_id
), told AS (
    INSERT INTO coupons.outbox (event_id, type, key, aggregate_version, occurred_at, data)
    SELECT e.id, $5, f.id, 1, f.claimed_at, e.data
    FROM fresh f JOIN unnest($1::uuid[], $6::uuid[], $7::json[]) AS e (coupon_id, id, data) ON e.coupon_id = f.id
)
SELECT w.id FROM unnest($1::uuid[]) AS w (id) WHERE NOT EXISTS (SELECT FROM fresh f WHERE f.id = w.id)`

// insertCoupons leaves out, before it writes anything, what would be refused anyway. It judges by what was committed when
// the statement began, which may only err towards inserting too much: the counter's row, once locked, has the last word.
// The order keeps two instances that insert the same accounts from waiting for each other in a circle.
const insertCoupons = `
INSERT INTO coupons.coupons (id, version, campaign_id, account_id, claimed_at)
SELECT w.id, 1, w.campaign_id, w.account_id, date_trunc('milliseconds', clock_timestamp())
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS w (id, campaign_id, account_id)
JOIN coupons.counters n ON n.campaign_id = w.campaign_id
WHERE n.taken < n.quantity AND clock_timestamp() >= n.starts_at AND clock_timestamp() < n.ends_at
ORDER BY w.campaign_id, w.account_id
ON CONFLICT (campaign_id, account_id) DO NOTHING
RETURNING id`

// lockCounters locks nothing while the transaction has no id, which is to say while nothing was inserted: refusals and
// repeats write nothing, not even a lock.
const lockCounters = `
SELECT campaign_id FROM coupons.counters
WHERE campaign_id = ANY($1::uuid[]) AND pg_current_xact_id_if_assigned() IS NOT NULL
ORDER BY campaign_id
FOR UPDATE`

// readCounters is a statement of its own, after the lock, so that it sees what others committed until then, and the time.
const readCounters = `
SELECT campaign_id, quantity, taken, starts_at, ends_at, clock_timestamp()
FROM coupons.counters
WHERE campaign_id = ANY($1::uuid[])`

// heldCoupons looks each pair up by itself (LIMIT keeps the planner from joining), those just inserted among them.
const heldCoupons = `
SELECT k.id, k.campaign_id, k.account_id, k.claimed_at
FROM unnest($1::uuid[], $2::uuid[]) AS w (campaign_id, account_id)
CROSS JOIN LATERAL (
    SELECT * FROM coupons.coupons c WHERE c.campaign_id = w.campaign_id AND c.account_id = w.account_id LIMIT 1
) k`

const deleteCoupons = `DELETE FROM coupons.coupons WHERE id = ANY($1::uuid[])`

const takeFromCounters = `
UPDATE coupons.counters n SET taken = n.taken + w.many
FROM unnest($1::uuid[], $2::bigint[]) AS w (campaign_id, many)
WHERE n.campaign_id = w.campaign_id`

// id is a UUID as pgx writes it straight to the wire: a slice of uuid.UUID goes through a text each, which took almost half
// of a flight's time in this process.
type id = [16]byte

// Claim is a wish for a coupon, under the id that the coupon would get. A flight has each account and campaign once.
type Claim struct {
	CouponID, CampaignID, AccountID uuid.UUID
	At                              time.Time // when it was made
	EventID                         uuid.UUID // with Event, which is JSON: what tells of the coupon, if it is given at that time
	Event                           []byte
}

// Held is a coupon that somebody has.
type Held struct {
	ID, CampaignID, AccountID uuid.UUID
	ClaimedAt                 time.Time
}

// Counter is a campaign's counter, and the server's time at which it was read.
type Counter struct {
	Quantity, Taken       int64
	StartsAt, EndsAt, Now time.Time
}

// Holder is the pair that has one coupon at most.
type Holder struct {
	CampaignID, AccountID uuid.UUID
}

// Boarded is what is known after the first round trip.
type Boarded struct {
	Fresh    map[uuid.UUID]bool    // the ids that this transaction inserted
	Held     map[Holder]Held       // the coupons of the claims' accounts, the fresh ones among them
	Counters map[uuid.UUID]Counter // by campaign; locked if anything is fresh
}

// Give inserts the coupons of the claims that nothing stands in the way of, with their events of that type, and commits. It returns the ids
// of those that it did not insert. SQLSTATE 23502 and 23514 say that a counter has refused, and nobody has anything.
func (q *Queries) Give(ctx context.Context, conn *pgx.Conn, eventType string, claims []Claim) (none map[uuid.UUID]bool, err error) {
	coupons, campaigns, accounts := make([]id, len(claims)), make([]id, len(claims)), make([]id, len(claims))
	at, events, data := make([]time.Time, len(claims)), make([]id, len(claims)), make([][]byte, len(claims))
	for i, c := range claims {
		coupons[i], campaigns[i], accounts[i] = id(c.CouponID), id(c.CampaignID), id(c.AccountID)
		at[i], events[i], data[i] = c.At, id(c.EventID), c.Event
	}
	none = map[uuid.UUID]bool{}
	var b pgx.Batch
	b.Queue("BEGIN")
	b.Queue(claimPlans)
	b.Queue(giveCoupons, coupons, campaigns, accounts, at, eventType, events, data).Query(func(rows pgx.Rows) error {
		return eachID(rows, func(coupon uuid.UUID) { none[coupon] = true })
	})
	pg.QueueCommit(&b)
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("give coupons: %w", err)
	}
	return none, nil
}

// Board begins the flight's transaction on the connection. It ends with Land, or else with a rollback.
func (q *Queries) Board(ctx context.Context, conn *pgx.Conn, claims []Claim) (Boarded, error) {
	known := Boarded{Fresh: map[uuid.UUID]bool{}, Held: map[Holder]Held{}, Counters: map[uuid.UUID]Counter{}}
	coupons, campaigns, accounts := make([]id, len(claims)), make([]id, len(claims)), make([]id, len(claims))
	for i, c := range claims {
		coupons[i], campaigns[i], accounts[i] = id(c.CouponID), id(c.CampaignID), id(c.AccountID)
	}
	var b pgx.Batch
	b.Queue("BEGIN")
	b.Queue(claimPlans)
	b.Queue(insertCoupons, coupons, campaigns, accounts).Query(func(rows pgx.Rows) error {
		var coupon id
		_, err := pgx.ForEachRow(rows, []any{&coupon}, func() error { known.Fresh[uuid.UUID(coupon)] = true; return nil })
		return err
	})
	b.Queue(lockCounters, campaigns)
	b.Queue(readCounters, campaigns).Query(func(rows pgx.Rows) error {
		var campaign uuid.UUID
		var c Counter
		_, err := pgx.ForEachRow(rows, []any{&campaign, &c.Quantity, &c.Taken, &c.StartsAt, &c.EndsAt, &c.Now}, func() error {
			known.Counters[campaign] = c
			return nil
		})
		return err
	})
	b.Queue(heldCoupons, campaigns, accounts).Query(func(rows pgx.Rows) error {
		var h Held
		_, err := pgx.ForEachRow(rows, []any{&h.ID, &h.CampaignID, &h.AccountID, &h.ClaimedAt}, func() error {
			known.Held[Holder{h.CampaignID, h.AccountID}] = h
			return nil
		})
		return err
	})
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return Boarded{}, fmt.Errorf("board claims: %w", err)
	}
	return known, nil
}

// Land ends the flight's transaction: it takes back the surplus coupons, counts the kept ones by campaign, adds what queue
// adds, and commits. Only a nil error says that it is on disk.
func (q *Queries) Land(ctx context.Context, conn *pgx.Conn, surplus []uuid.UUID, kept map[uuid.UUID]int64, queue func(*pgx.Batch) error) error {
	campaigns, many := make([]id, 0, len(kept)), make([]int64, 0, len(kept))
	for campaign, n := range kept {
		campaigns, many = append(campaigns, id(campaign)), append(many, n)
	}
	var b pgx.Batch
	if len(surplus) > 0 {
		b.Queue(deleteCoupons, surplus)
	}
	b.Queue(takeFromCounters, campaigns, many)
	if err := queue(&b); err != nil {
		return err
	}
	pg.QueueCommit(&b)
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("land claims: %w", err)
	}
	return nil
}
