package fault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/fault"
)

func TestError(t *testing.T) {
	soldOut := fault.New(fault.Exhausted, "coupons.sold_out", "no coupons are left")
	ended := fault.New(fault.Conflict, "coupons.ended", "it is over")

	t.Run("IsTheSameByItsCode", func(t *testing.T) {
		detailed := soldOut.WithDetail("0 of 100").WithFields(fault.Field{Pointer: "/id", Detail: "this one"}).WithRetryAfter(time.Second)
		require.ErrorIs(t, fmt.Errorf("claim: %w", detailed), soldOut)
		require.NotErrorIs(t, detailed, ended)
		require.NotErrorIs(t, detailed, errors.New("coupons.sold_out"))
	})

	t.Run("StaysTheSameAcrossJSON", func(t *testing.T) {
		b, err := json.Marshal(soldOut.WithDetail("0 of 100").WithRetryAfter(time.Second))
		require.NoError(t, err)
		var back fault.Error
		require.NoError(t, json.Unmarshal(b, &back))
		require.ErrorIs(t, &back, soldOut)
		require.Equal(t, "0 of 100", back.Detail)
		require.Equal(t, time.Second, back.RetryAfter)
	})

	t.Run("WhatIsDeclaredNeverChanges", func(t *testing.T) {
		one := soldOut.WithFields(fault.Field{Pointer: "/a"})
		_, _ = one.WithFields(fault.Field{Pointer: "/b"}), one.WithFields(fault.Field{Pointer: "/c"})
		require.Empty(t, soldOut.Fields)
		require.Empty(t, soldOut.Detail)
		require.Len(t, one.Fields, 1)
	})

	t.Run("IsFoundInAChain", func(t *testing.T) {
		found, ok := fault.As(fmt.Errorf("claim: %w", soldOut))
		require.True(t, ok)
		require.Same(t, soldOut, found)
		_, ok = fault.As(errors.New("else"))
		require.False(t, ok)
	})
}
