package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// PlansLast is for how long a connection uses a plan. PostgreSQL itself makes a cached one anew when the table is analyzed, which is once a minute at
// best: one that was made for an empty table reads all of it until then, and a rush fills it sooner.
const PlansLast = 2 * time.Second

// plan discards the plans of a connection that have lasted. One on which that cannot be done is given up.
func plan(ctx context.Context, conn *pgx.Conn) (bool, error) {
	data, now := conn.PgConn().CustomData(), time.Now()
	if at, ok := data[plannedAt].(time.Time); ok && now.Sub(at) < PlansLast {
		return true, nil
	}
	if _, err := conn.PgConn().Exec(ctx, "DISCARD PLANS").ReadAll(); err != nil {
		return false, nil
	}
	data[plannedAt] = now
	return true, nil
}

const plannedAt = "shop.planned"
