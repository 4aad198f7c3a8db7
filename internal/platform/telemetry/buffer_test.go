package telemetry_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/telemetry"
)

func TestBuffer(t *testing.T) {
	t.Parallel()

	// buffered is a logger, its buffer, and how many lines have come through.
	buffered := func(t *testing.T) (*slog.Logger, *telemetry.Buffer, func() int) {
		out := &output{}
		buffer := telemetry.NewBuffer(out)
		t.Cleanup(func() { require.NoError(t, buffer.Close()) })
		return telemetry.Logger(buffer, "json", "info"), buffer, out.lines
	}

	t.Run("LetsInformationWaitForAMoment", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			log, _, lines := buffered(t)
			log.Info("request")
			time.Sleep(49 * time.Millisecond)
			log.Info("request")
			synctest.Wait()
			require.Zero(t, lines())
			time.Sleep(time.Millisecond)
			synctest.Wait()
			require.Equal(t, 2, lines(), "50 ms after the first, not after the last")
			log.Info("request")
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.Equal(t, 3, lines())
		})
	})

	t.Run("HoldsNoWarningBack", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			log, _, lines := buffered(t)
			log.Info("request")
			log.With("module", "t").Warn("too slow")
			require.Equal(t, 2, lines(), "the line before it comes too")
		})
	})

	t.Run("HasABound", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			log, _, lines := buffered(t)
			long := strings.Repeat("x", 10_000)
			for range 4 {
				log.Info(long)
			}
			require.Equal(t, 3, lines(), "the fourth is more than may wait with three others")
			log.Info(strings.Repeat("x", 100_000))
			require.Equal(t, 5, lines())
		})
	})

	t.Run("HoldsNothingBackWhenClosed", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			log, buffer, lines := buffered(t)
			log.Info("request")
			require.NoError(t, buffer.Close())
			require.Equal(t, 1, lines())
			log.Info("good-bye")
			require.Equal(t, 2, lines())
		})
	})

	t.Run("KeepsLinesWhole", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			log, buffer, lines := buffered(t)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 500 {
						log.Info("request", "url.path", "/v1/coupons")
					}
				})
			}
			wg.Wait()
			require.NoError(t, buffer.Flush())
			require.Equal(t, 4000, lines())
		})
	})
}

// output counts the lines that are written to it.
type output struct {
	mu sync.Mutex
	bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Buffer.Write(b)
}

func (o *output) lines() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range bytes.Lines(o.Bytes()) {
		if !bytes.HasPrefix(line, []byte(`{"@timestamp"`)) || !bytes.HasSuffix(line, []byte("}\n")) {
			return -1
		}
		n++
	}
	return n
}
