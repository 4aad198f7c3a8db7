package auth

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/clock"
)

type away struct{}

func (away) SigningKeys(context.Context) ([]Key, error)        { return nil, errors.New("gone") }
func (away) Revocations(context.Context) ([]Revocation, error) { return nil, errors.New("gone") }

func TestRefreshComplainsOnceAMinute(t *testing.T) {
	t.Parallel()

	c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	v := NewVerifier(away{}, c.Now)
	var log bytes.Buffer
	v.log = func() *slog.Logger { return slog.New(slog.NewTextHandler(&log, nil)) }
	for _, want := range []int{1, 1, 2} {
		for range 30 {
			v.Refresh(t.Context())
			c.Advance(time.Second)
		}
		require.Equal(t, want, strings.Count(log.String(), "level=ERROR"))
	}
}

func TestCache(t *testing.T) {
	t.Parallel()

	hash := func(n int) (h [32]byte) {
		h[0] = byte(n)
		binary.BigEndian.PutUint64(h[8:], uint64(n))
		return h
	}

	t.Run("IsBounded", func(t *testing.T) {
		t.Parallel()

		c := newCache(64)
		for n := range 10_000 {
			c.put(hash(n), grant{expiresAt: 100}, 1)
			_, ok := c.get(hash(n), 1)
			require.True(t, ok, "what was put last is there")
		}
		require.LessOrEqual(t, c.len(), 64)
		require.GreaterOrEqual(t, c.len(), 32)
	})

	t.Run("DropsWhatExpiredFirst", func(t *testing.T) {
		t.Parallel()

		c := newCache(2 * shards)
		c.put(hash(0), grant{expiresAt: 10}, 1)
		c.put(hash(256), grant{expiresAt: 100}, 1)
		c.put(hash(512), grant{expiresAt: 100}, 50) // all three in the same shard of two
		_, ok := c.get(hash(0), 5)
		require.False(t, ok)
		for _, n := range []int{256, 512} {
			_, ok = c.get(hash(n), 50)
			require.True(t, ok)
		}
	})

	t.Run("KnowsNothingAfterClear", func(t *testing.T) {
		t.Parallel()

		c := newCache(64)
		c.put(hash(1), grant{expiresAt: 10}, 1)
		c.clear()
		_, ok := c.get(hash(1), 1)
		require.False(t, ok)
		require.Zero(t, c.len())
	})
}
