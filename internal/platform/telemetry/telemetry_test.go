package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/sasapick/shop/internal/platform/telemetry"
)

func TestLogger(t *testing.T) {
	t.Run("NamesFieldsByTheElasticCommonSchema", func(t *testing.T) {
		var out bytes.Buffer
		log := telemetry.Logger(&out, "json", "info")
		log.Debug("not this")
		log.With("module", "ordering").Error("place order", "err", errors.New("planted"), "http.request.method", "POST")

		var line map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &line), "one line")
		require.Contains(t, line, "@timestamp")
		delete(line, "@timestamp")
		require.Equal(t, map[string]any{
			"log.level": "error", "message": "place order", "error.message": "planted", "labels.module": "ordering",
			"http.request.method": "POST", "service.name": "shop", "ecs.version": "8.11.0",
		}, line)
	})
}

func TestTracing(t *testing.T) {
	t.Run("SendsNothingWithoutAnEndpoint", func(t *testing.T) {
		stop, err := telemetry.Tracing(t.Context(), "", "test")
		require.NoError(t, err)
		_, span := otel.Tracer("t").Start(t.Context(), "x")
		require.False(t, span.SpanContext().IsValid())
		require.NoError(t, stop(t.Context()))
		require.Contains(t, otel.GetTextMapPropagator().Fields(), "traceparent")
	})

	t.Run("SendsToTheCollector", func(t *testing.T) {
		var posts atomic.Int64
		collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/traces" {
				posts.Add(1)
			}
		}))
		t.Cleanup(collector.Close)
		t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
		stop, err := telemetry.Tracing(t.Context(), collector.URL, "test")
		require.NoError(t, err)
		_, span := otel.Tracer("t").Start(t.Context(), "x")
		span.End()
		require.NoError(t, stop(t.Context()))
		require.EqualValues(t, 1, posts.Load())
	})
}
