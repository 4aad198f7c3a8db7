// Package telemetry makes the shop's logger, and its tracing where there is a collector.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Logger writes one line per record: format "json" with the field names of the Elastic Common Schema 8
// (https://www.elastic.co/docs/reference/ecs), or "text" for people.
func Logger(w io.Writer, format, level string) *slog.Logger {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		least = slog.LevelInfo
	}
	if format != "json" {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: least}))
	}
	return slog.New(&handler{out: &output{Writer: w}, least: least}).With("ecs.version", "8.11.0", "service.name", "shop")
}

// Tracing sends traces to the collector at endpoint (OTLP over HTTP, without the path), until stop is called; an empty endpoint sends none. W3C trace context is
// passed on in both cases.
func Tracing(ctx context.Context, endpoint, version string) (stop func(context.Context) error, err error) {
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	if endpoint == "" {
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimRight(endpoint, "/")+"/v1/traces"), otlptracehttp.WithTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("reach the collector of traces: %w", err)
	}
	provider := trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"), attribute.String("service.version", version))),
	)
	otel.SetTracerProvider(provider)
	return provider.Shutdown, nil
}
