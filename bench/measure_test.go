package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMeasure: what was promised while nobody counted yet has been promised, too.
func TestMeasure(t *testing.T) {
	t.Parallel()

	var calls, good atomic.Int64
	l := load{callers: 4, each: 10, caller: func(int) (func(context.Context) error, func(), error) {
		return func(context.Context) error {
			if calls.Add(1)%3 == 0 {
				return errors.New("no")
			}
			good.Add(10)
			return nil
		}, nil, nil
	}}
	s, err := l.measure(t.Context(), settings{Warm: 10 * time.Millisecond, Run: 10 * time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, good.Load(), s.answered)
	require.ErrorContains(t, s.failure, "no")
}
