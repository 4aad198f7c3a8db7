package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/fault"
)

// What a failure says of itself decides whether it is parked at once, waited out for ever, or compared with the others.
func TestKindsOfFailure(t *testing.T) {
	t.Parallel()

	sql := func(code string) error { return fmt.Errorf("insert: %w", &pgconn.PgError{Code: code}) }
	for _, test := range []struct {
		err              error
		poisoned, outage bool
	}{
		{undecodable{errors.New("no JSON")}, true, false},
		{fault.New(fault.Conflict, "test.refused", "no"), true, false},
		{fault.New(fault.Internal, "test.refused", "no"), true, false},
		{sql("22003"), true, false},
		{sql("23505"), true, false},

		{fault.New(fault.Unavailable, "test.down", "down"), false, true},
		{fault.New(fault.Timeout, "test.slow", "slow"), false, true},
		{fault.New(fault.Throttled, "test.many", "many"), false, true},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), false, true},
		{context.Canceled, false, true},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, false, true},
		{sql("40001"), false, true},
		{sql("40P01"), false, true},
		{sql("55P03"), false, true},
		{sql("57014"), false, true},
		{sql("57P01"), false, true},
		{sql("08006"), false, true},
		{sql("53300"), false, true},
		{sql("58030"), false, true},

		{errors.New("no such shape"), false, false},
		{panicked{"index out of range", nil}, false, false},
		{sql("42P01"), false, false},
		{sql("25P02"), false, false},
		{sql("P0001"), false, false},
	} {
		require.Equal(t, test.poisoned, poisoned(test.err), "%v", test.err)
		require.Equal(t, test.outage, outage(test.err), "%v", test.err)
	}
}

func TestTrial(t *testing.T) {
	t.Parallel()

	broken := errors.New("broken")
	begin := func(others bool) (*trial, *atomic.Int64, uuid.UUID) {
		var passed atomic.Int64
		tr, event := newTrial(&passed), uuid.New()
		for range patience {
			require.NoError(t, tr.verdict(event))
			tr.blame(event, broken)
		}
		tr.others = others
		return tr, &passed, event
	}
	tr, _, event := begin(true)
	require.ErrorIs(t, tr.verdict(event), broken)
	require.NoError(t, tr.verdict(uuid.New()), "another event is not at fault")
	tr.reset()
	require.NoError(t, tr.verdict(event), "after an outage it begins again")

	tr, passed, event := begin(false)
	require.NoError(t, tr.verdict(event), "nothing else went well either")
	passed.Add(1)
	require.ErrorIs(t, tr.verdict(event), broken, "another partition goes on")
}
