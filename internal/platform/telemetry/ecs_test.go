package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/platform/telemetry"
)

// marshaled is a value that says itself what its JSON is.
type marshaled struct{ fail, crash bool }

func (m marshaled) MarshalJSON() ([]byte, error) {
	switch {
	case m.crash:
		panic("planted")
	case m.fail:
		return nil, errors.New("planted")
	}
	return []byte(`{"a":"<&>"}`), nil
}

type hidden string

func (hidden) LogValue() slog.Value { return slog.StringValue("***") }

func TestHandler(t *testing.T) {
	t.Parallel()

	t.Run("IsASlogHandler", func(t *testing.T) {
		t.Parallel()

		var out bytes.Buffer
		log := telemetry.Logger(&out, "json", "info")
		require.NoError(t, slogtest.TestHandler(log.Handler(), func() []map[string]any {
			var lines []map[string]any
			for line := range strings.Lines(out.String()) {
				var m map[string]any
				require.NoError(t, json.Unmarshal([]byte(line), &m), line)
				for ours, slogs := range map[string]string{"@timestamp": slog.TimeKey, "log.level": slog.LevelKey, "message": slog.MessageKey} {
					if v, ok := m[ours]; ok {
						m[slogs] = v
						delete(m, ours)
					}
				}
				lines = append(lines, m)
			}
			return lines
		}))
	})

	t.Run("SaysWhatSlogSays", func(t *testing.T) {
		t.Parallel()

		var none *marshaled
		at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.FixedZone("KST", 9*3600))
		same(t, "request", "text", "러닝 <b>&</b> \"a\\b\"\x00\x1f\x7f\n\r\t\u2028\u2029\ufffd\xff\xc3", "", "empty name",
			"int", -1, "uint", uint64(math.MaxUint64), "float", 0.1, "huge", 1e300, "nan", math.NaN(), "inf", math.Inf(-1), "bool", true,
			"took", time.Millisecond, "at", at, "nil", nil, "err", errors.New("planted"), "cause", fmt.Errorf("b: %w", errors.New("a")),
			"ip", netip.MustParseAddr("2001:db8::1"), "zero ip", netip.Addr{}, "id", uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"),
			"list", []string{"<", ">"}, "map", map[string]int{"b": 1, "a": 2}, "raw", json.RawMessage(`{"a": 1}`), "own", marshaled{},
			"broken", marshaled{fail: true}, "crashing", marshaled{crash: true}, "none", none, "hidden", hidden("secret"),
			slog.Group("g", "err", "stays", slog.Group("h"), slog.Group("", "inline", 1)), slog.Group("nothing"), slog.Attr{})
	})

	t.Run("SaysWhatSlogSaysOfAnything", func(t *testing.T) {
		t.Parallel()

		rapid.Check(t, func(r *rapid.T) {
			same(r, string(rapid.SliceOf(rapid.Byte()).Draw(r, "message")), rapid.String().Draw(r, "key"), string(rapid.SliceOf(rapid.Byte()).Draw(r, "bytes")),
				"n", rapid.Int64().Draw(r, "n"), "f", rapid.Float64().Draw(r, "f"))
		})
	})
}

// same logs with the shop's logger and with slog's own, and wants the same values under the names of the schema, in the same order.
func same(t require.TestingT, message string, args ...any) {
	var got, want bytes.Buffer
	ours := telemetry.Logger(&got, "json", "info")
	theirs := slog.New(slog.NewJSONHandler(&want, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case len(groups) > 0:
		case a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime && len(args) > 0:
			return slog.Attr{}
		case a.Key == slog.LevelKey:
			return slog.String("log.level", strings.ToLower(a.Value.String()))
		case a.Key == slog.MessageKey:
			a.Key = "message"
		case a.Key == "err":
			return slog.String("error.message", a.Value.String())
		}
		return a
	}})).With("ecs.version", "8.11.0", "service.name", "shop")
	for _, log := range []*slog.Logger{ours, theirs} {
		log.Warn(message, args...)
		log.WithGroup("empty").Warn(message)
		log.With("a", 1).WithGroup("g").With("err", "in a group").WithGroup("h").Warn(message, args...)
	}
	require.Equal(t, want.String(), withoutTime(got.String()))
}

func withoutTime(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		_, rest, _ := strings.Cut(line, ",")
		b.WriteString("{" + rest)
	}
	return b.String()
}

func BenchmarkLogger(b *testing.B) {
	log := telemetry.Logger(io.Discard, "json", "info")
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelInfo, "request", slog.String("http.request.method", "GET"), slog.Int("http.response.status_code", 200),
			slog.Any("client.ip", netip.MustParseAddr("192.0.2.1")))
	}
}
