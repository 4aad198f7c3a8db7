package pg

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// QueueCommit ends the transaction with the batch, whose Close then returns an error unless it is committed: PostgreSQL answers a
// failed transaction's COMMIT with ROLLBACK, which is no error by itself.
func QueueCommit(b *pgx.Batch) {
	b.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return errors.New("the transaction was rolled back")
		}
		return nil
	})
}

// GiveBack returns a connection to its pool, out of any transaction.
func GiveBack(ctx context.Context, conn *pgxpool.Conn) {
	if !conn.Conn().IsClosed() && conn.Conn().PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.Exec(ctx, "rollback") // one that fails leaves a connection which the pool closes
	}
	conn.Release()
}
