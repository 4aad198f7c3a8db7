package batch

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Connections returns a pool of so many connections for flights, but no more than the given one has. The caller closes it.
//
// Their statements look rows up by their keys, some by one and some by hundreds, and must never be planned anew for each number,
// nor, while a table is young, with a scan of it: it grows faster than its statistics. So they are planned for any number, with the indexes, and
// anew after [pg.PlansLast]: which index is the right one is not seen of an empty table either.
func Connections(pool *pgxpool.Pool, most int) (*pgxpool.Pool, error) {
	config := pool.Config()
	config.MaxConns = min(config.MaxConns, int32(most))
	config.MinConns, config.MinIdleConns = 0, 0
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	config.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	own, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("open connections for flights: %w", err)
	}
	return own, nil
}
