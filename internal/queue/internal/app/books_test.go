package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/queue/internal/app"
)

func TestBooks(t *testing.T) {
	t.Parallel()

	looked := func(t *testing.T, s site) map[string][]string {
		wrong := map[string][]string{}
		for _, i := range app.Books(s.service) {
			found, err := i.Check(t.Context(), "")
			require.NoError(t, err)
			require.Positive(t, found.Looked)
			for _, m := range found.Wrong {
				wrong[i.Name] = append(wrong[i.Name], m.Subject)
			}
		}
		return wrong
	}

	t.Run("Balance", func(t *testing.T) {
		t.Parallel()

		s := serve(t)
		require.Empty(t, looked(t, s), "a room that nobody has changed")
		for _, mode := range []string{"paused", "paused", "off"} {
			s.change(mode)
			require.Empty(t, looked(t, s))
		}
		s.clock.Advance(72 * time.Hour)
		_, err := s.pool.Exec(t.Context(), `DELETE FROM queue.outbox`)
		require.NoError(t, err)
		require.Empty(t, looked(t, s), "the outbox keeps events for three days")
	})

	const room = "0198a000-0000-7000-8000-000000000001"
	for name, c := range map[string]struct {
		sql  string
		want map[string][]string
	}{
		"ARoomIsRenamed":       {`UPDATE queue.rooms SET name = 'other'`, map[string][]string{"rooms.gates": {"claim-coupon", "claim-coupon-by-code", "place-order", "place-preorder"}}},
		"AChangeByHand":        {`UPDATE queue.rooms SET version = version + 1, capacity = 7`, map[string][]string{"rooms.log": {room}, "rooms.events": {room}}},
		"TheLogLostAChange":    {`DELETE FROM queue.audit_log`, map[string][]string{"rooms.log": {room}}},
		"TheEventIsLost":       {`DELETE FROM queue.outbox`, map[string][]string{"rooms.events": {room}}},
		"TheEventIsOfNoChange": {`INSERT INTO queue.outbox (event_id, type, key, aggregate_version, occurred_at, data) VALUES (@id, 'queue.room_changed.v1', '` + room + `', 2, now(), '{}')`, map[string][]string{"rooms.events": {room}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := serve(t)
			s.change("paused")
			require.Empty(t, looked(t, s))
			_, err := s.pool.Exec(t.Context(), strings.ReplaceAll(c.sql, "@id", "'"+uuid.NewString()+"'"))
			require.NoError(t, err)
			require.Equal(t, c.want, looked(t, s))
		})
	}
}
