package pg_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// A process that was paused between two statements of a transaction finds that the server has ended its session: nothing was done,
// and the same once more succeeds.
func TestASessionThatIdledTooLongIsUnavailable(t *testing.T) {
	t.Parallel()

	url := pgtest.URL(t)
	idler := open(t, pg.Config{URL: url + "&idle_in_transaction_session_timeout=1ms", Name: "coupons"})
	tx, err := idler.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }() // gives the connection back
	pid := tx.Conn().PgConn().PID()
	observer := open(t, pg.Config{URL: url, Name: "observer"})
	require.Eventually(t, func() bool {
		return one[int64](t, observer, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", int32(pid)) == 0
	}, 10*time.Second, time.Millisecond)
	_, err = tx.Exec(t.Context(), "SELECT 1")
	require.True(t, pg.IsUnavailable(err), "%v", err)
}
