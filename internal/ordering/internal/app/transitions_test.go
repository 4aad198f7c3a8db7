package app_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
)

var states = []ordering.State{
	ordering.StatePending, ordering.StateAwaitingPayment, ordering.StatePaid, ordering.StatePreparing, ordering.StateShipping,
	ordering.StateDelivered, ordering.StateConfirmed, ordering.StateCanceling,
	ordering.StateRejected, ordering.StateExpired, ordering.StateCanceled, ordering.StateRefunded,
}

// original 43: any state led to any other. Every pair of states that is not in the table is refused and leaves no trace; every one that is leaves a row in the timeline, and
// its event with the next version.
func TestTransitions(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 10_000)
	ways := map[[2]ordering.State]app.Way{}
	for _, w := range app.Ways() {
		require.NotContains(t, ways, [2]ordering.State{w.From, w.To}, "one row a pair")
		ways[[2]ordering.State{w.From, w.To}] = w
	}
	p := s.place(t, account, shirt)
	id := p.Order.ID
	for _, from := range states {
		for _, to := range states {
			former := "NULL"
			if from == ordering.StateCanceling {
				former = "'paid'"
			}
			refusal := "NULL"
			if from == ordering.StateRejected {
				refusal = "'{}'"
			}
			s.exec(t, fmt.Sprintf(`UPDATE ordering.orders SET state = '%s', former_state = %s, refusal = %s, attend_at = now(), expires_at = now()`, from, former, refusal))
			s.exec(t, `UPDATE ordering.purchase_quotas SET quantity = 1`)
			s.exec(t, `DELETE FROM ordering.quota_returns`)
			version := s.count(t, `SELECT version FROM ordering.orders`)
			step := s.count(t, `SELECT step FROM ordering.orders`)

			w, legal := ways[[2]ordering.State{from, to}]
			if !w.Asked {
				require.ErrorIs(t, s.Advance(t.Context(), id, to, true), ordering.ErrIllegalTransition, "%s to %s is nothing that a person may ask for", from, to)
			}
			err := s.Advance(t.Context(), id, to, w.Asked)
			if !legal {
				require.ErrorIs(t, err, ordering.ErrIllegalTransition, "%s to %s", from, to)
				require.Equal(t, from, s.state(t, id))
				require.Equal(t, step, s.count(t, `SELECT max(step) FROM ordering.order_timeline`))
				require.Equal(t, version, s.count(t, `SELECT count(*) FROM ordering.outbox`))
				continue
			}
			require.NoError(t, err, "%s to %s", from, to)
			require.Equal(t, to, s.state(t, id))
			require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.order_timeline WHERE step = $1 AND from_state = $2 AND to_state = $3`, step+1, from, to))
			if w.Event != "" {
				version++
				require.Equal(t, 1, s.count(t, `SELECT count(*) FROM ordering.outbox WHERE aggregate_version = $1 AND type = $2`, version, w.Event))
			}
			require.Equal(t, version, s.count(t, `SELECT count(*) FROM ordering.outbox`))
			require.Equal(t, app.Dead(to), s.bought(t, account, shirt) == 0, "who dies gives back, and nobody else")
		}
	}
}

// The ends are ends, what is confirmed can only come back, and every state can be come by.
func TestTransitionsLeadSomewhere(t *testing.T) {
	t.Parallel()

	reached := map[ordering.State]bool{ordering.StatePending: true}
	for _, w := range app.Ways() {
		require.False(t, app.Dead(w.From), "%s is an end", w.From)
		if w.From == ordering.StateConfirmed {
			require.Equal(t, ordering.StateRefunded, w.To)
		}
		reached[w.To] = true
	}
	for _, s := range states {
		require.True(t, reached[s], s)
	}
}

// testdata/transitions.md is the table for people; SHOP_UPDATE_GOLDEN=1 writes it.
func TestTransitionsAreDocumented(t *testing.T) {
	t.Parallel()

	var b strings.Builder
	b.WriteString("| from | to | when | by | event |\n|---|---|---|---|---|\n")
	for _, w := range app.Ways() {
		event := "–"
		if w.Event != "" {
			event = "`" + w.Event + "`"
		}
		by := map[bool]string{true: "a person, or the system", false: "the system"}[w.Asked]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", w.From, w.To, w.Why, by, event)
	}
	const file = "testdata/transitions.md"
	if os.Getenv("SHOP_UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}
