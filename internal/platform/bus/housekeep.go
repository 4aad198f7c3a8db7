package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// housekeepStep bounds one delete, so that it holds no locks for long.
const housekeepStep = 5000

// housekeeping is the statements that delete what a module need not remember, a bounded number of rows each.
func housekeeping(module string) []string {
	oldest := func(table, id, at string, retention time.Duration) string {
		name := pgx.Identifier{module, table}.Sanitize()
		return fmt.Sprintf(`
DELETE FROM %s WHERE %s IN (
    SELECT %s FROM %s WHERE %s < now() - interval '%d seconds' ORDER BY %s LIMIT %d
)`, name, id, id, name, at, int(retention.Seconds()), at, housekeepStep)
	}
	return []string{
		oldest("outbox", "id", "published_at", OutboxRetention),
		oldest("inbox", "event_id", "received_at", InboxRetention),
	}
}

// housekeep runs each statement until it finds less than a step.
func (m *moduleRelay) housekeep(ctx context.Context) {
	for _, statement := range m.housekeeping {
		for {
			tag, err := m.pool.Exec(ctx, statement)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				m.log.WarnContext(ctx, "cannot delete old events", "module", m.module, "error", err)
				break
			}
			if tag.RowsAffected() < housekeepStep {
				break
			}
		}
	}
	if err := m.transport.Trim(ctx, m.topic); err != nil && ctx.Err() == nil {
		m.log.WarnContext(ctx, "cannot trim a topic", "topic", m.topic, "error", err)
	}
}
