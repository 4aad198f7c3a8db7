package telemetry

import (
	"bytes"
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// handler writes each record as a line of JSON with the field names of the Elastic Common Schema. slog's own handler can do so with a
// function that renames, which costs a call, and often an allocation, for every field: as much as the rest of a read.
type handler struct {
	out     *output // shared with the handlers that were made of this one
	least   slog.Level
	with    []byte   // fields of every line, encoded, each with its comma
	opened  int      // groups that with leaves open
	pending []string // groups that are opened by the first field in them
}

type output struct {
	mu sync.Mutex
	io.Writer
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.least }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.with, next.pending = slices.Clone(h.with), slices.Clone(h.pending)
	for _, a := range attrs {
		next.with = next.append(next.with, a)
	}
	return &next
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.pending = append(slices.Clone(h.pending), name)
	return &next
}

// append adds a field at the handler's depth, and opens the groups in which it is the first.
func (h *handler) append(b []byte, a slog.Attr) []byte {
	if h.opened == 0 && len(h.pending) == 0 {
		return appendField(b, renamed(a))
	}
	inside := appendField(nil, a)
	if len(inside) == 0 {
		return b
	}
	for _, name := range h.pending {
		b = append(appendString(append(b, ','), name), ':', '{')
	}
	h.opened += len(h.pending)
	h.pending = nil
	if b[len(b)-1] == '{' {
		inside = inside[1:]
	}
	return append(b, inside...)
}

var lines = sync.Pool{New: func() any { return new(make([]byte, 0, 1024)) }}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	line := lines.Get().(*[]byte)
	defer lines.Put(line)
	b := append((*line)[:0], '{')
	if !r.Time.IsZero() {
		b = r.Time.UTC().AppendFormat(append(b, `"@timestamp":"`...), "2006-01-02T15:04:05.000Z07:00")
		b = append(b, `",`...)
	}
	b = appendLevel(append(b, `"log.level":`...), r.Level)
	b = appendString(append(b, `,"message":`...), r.Message)
	b = append(b, h.with...)
	here := *h
	r.Attrs(func(a slog.Attr) bool {
		b = here.append(b, a)
		return true
	})
	for range here.opened {
		b = append(b, '}')
	}
	b = append(b, '}', '\n')
	*line = b
	if cap(b) > 64<<10 {
		*line = nil
	}
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.Write(b)
	if buffer, ok := h.out.Writer.(*Buffer); ok && r.Level >= slog.LevelWarn && err == nil {
		err = buffer.Flush()
	}
	return err
}

// renamed gives what the shop logs under its own names those of the schema.
func renamed(a slog.Attr) slog.Attr {
	switch a.Key {
	case "err", "error":
		return slog.String("error.message", a.Value.Resolve().String())
	case "module":
		a.Key = "labels.module"
	}
	return a
}

func appendLevel(b []byte, level slog.Level) []byte {
	switch level {
	case slog.LevelInfo:
		return append(b, `"info"`...)
	case slog.LevelWarn:
		return append(b, `"warn"`...)
	}
	return appendString(b, strings.ToLower(level.String()))
}

// appendField appends a comma, a name and a value; nothing for what slog says is to be ignored.
func appendField(b []byte, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
		return b
	}
	if v.Kind() != slog.KindGroup {
		return appendValue(append(appendString(append(b, ','), a.Key), ':'), v)
	}
	var inside []byte
	for _, member := range v.Group() {
		inside = appendField(inside, member)
	}
	switch {
	case len(inside) == 0:
		return b
	case a.Key == "":
		return append(b, inside...)
	}
	b = append(appendString(append(b, ','), a.Key), ':', '{')
	return append(append(b, inside[1:]...), '}')
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendString(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindDuration:
		return strconv.AppendInt(b, int64(v.Duration()), 10)
	case slog.KindTime:
		return append(v.Time().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	}
	return appendAny(b, v.Any())
}

// appendAny is for everything else. A line says what went wrong with its value rather than that there be none.
func appendAny(b []byte, v any) (line []byte) {
	begun := len(b)
	defer func() {
		if crashed := recover(); crashed != nil {
			text := fmt.Sprintf("!PANIC: %v", crashed)
			if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
				text = "<nil>"
			}
			line = appendString(b[:begun], text)
		}
	}()
	_, custom := v.(json.Marshaler)
	switch v := v.(type) {
	case encoding.TextAppender:
		var scratch [64]byte
		if text, err := v.AppendText(scratch[:0]); err == nil && !custom {
			return appendString(b, string(text))
		}
	case error:
		if !custom {
			return appendString(b, v.Error())
		}
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return appendString(b, "!ERROR:"+err.Error())
	}
	return append(b, bytes.TrimSuffix(encoded.Bytes(), []byte("\n"))...)
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. What is not UTF-8 becomes the replacement character.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError && r != '\u2028' && r != '\u2029' || r == utf8.RuneError && size == 3 {
				i += size
				continue
			}
			b = append(b, s[from:i]...)
			b = append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		} else {
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
		}
		i += size
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
