package books

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/failpoint"
)

var (
	keepCommit    = failpoint.New("books.checkpoints.commit")
	keepCommitted = failpoint.New("books.checkpoints.committed")
)

// checkpoints are kept in platform.checkpoints.
type checkpoints struct{ pool *pgxpool.Pool }

func (c checkpoints) load(ctx context.Context) (map[string]Checkpoint, error) {
	rows, err := c.pool.Query(ctx, `SELECT invariant, through, looked, at FROM platform.checkpoints`)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints: %w", err)
	}
	all := map[string]Checkpoint{}
	var id string
	var one Checkpoint
	_, err = pgx.ForEachRow(rows, []any{&id, &one.Through, &one.Looked, &one.At}, func() error { all[id] = one; return nil })
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints: %w", err)
	}
	return all, nil
}

// keep advances the checkpoints of what was sound. Of two audits at once the one that began later wins.
func (c checkpoints) keep(ctx context.Context, r Report) error {
	var b pgx.Batch
	for _, l := range r.Items {
		if l.through == "" {
			continue
		}
		b.Queue(`
			INSERT INTO platform.checkpoints AS kept (invariant, through, looked, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (invariant) DO UPDATE SET through = excluded.through, looked = excluded.looked, at = excluded.at
			WHERE kept.at <= excluded.at`, l.ID, l.through, l.Looked, r.At)
	}
	if b.Len() == 0 {
		return nil
	}
	keepCommit.Hit()
	if err := c.pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("keep the checkpoints: %w", err)
	}
	keepCommitted.Hit()
	return nil
}
