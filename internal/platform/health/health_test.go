package health_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/health"
)

func ready(c *health.Checker) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	c.Ready(w, httptest.NewRequest("GET", "/readyz", nil))
	return w
}

func TestReady(t *testing.T) {
	down := errors.New("dial tcp 10.0.0.7:5432: refused")

	t.Run("OnlyARequiredPartCounts", func(t *testing.T) {
		c := health.New(
			health.Part{Name: "database", Required: true, Check: func(context.Context) error { return nil }},
			health.Part{Name: "redis", Check: func(context.Context) error { return down }},
		)
		w := ready(c)
		require.Equal(t, 200, w.Code)
		require.JSONEq(t, `{"status":"ready","parts":[{"name":"database","kind":"","required":true,"state":"up"},{"name":"redis","kind":"","required":false,"state":"down"}]}`, w.Body.String())
	})

	t.Run("NoAddressLeaks", func(t *testing.T) {
		w := ready(health.New(health.Part{Name: "database", Required: true, Check: func(context.Context) error { return down }}))
		require.Equal(t, 503, w.Code)
		require.NotContains(t, w.Body.String(), "10.0.0.7")
	})

	t.Run("ADrainingShopIsNotReady", func(t *testing.T) {
		c := health.New()
		require.Equal(t, 200, ready(c).Code)
		c.Drain()
		require.Equal(t, 503, ready(c).Code)
	})

	t.Run("LooksOnceASecond", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var looks atomic.Int64
			c := health.New(health.Part{Name: "database", Check: func(context.Context) error { looks.Add(1); return nil }})
			for range 100 {
				ready(c)
			}
			require.EqualValues(t, 1, looks.Load())
			time.Sleep(time.Second) // virtual
			ready(c)
			require.EqualValues(t, 2, looks.Load())
		})
	})

	t.Run("APartThatHangsIsDown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := health.New(health.Part{Name: "database", Required: true, Check: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
			require.Equal(t, 503, ready(c).Code)
		})
	})
}
