package kafka

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/bus"
)

// encode makes a record of the event, as CloudEvents' Kafka binding says, and returns about how many bytes it takes.
func encode(e bus.Envelope) (*sarama.Record, int) {
	headers := [][2]string{
		{"ce_specversion", "1.0"},
		{"ce_id", e.ID.String()},
		{"ce_source", e.Source},
		{"ce_type", e.Type},
		{"ce_time", e.OccurredAt.UTC().Format(time.RFC3339Nano)},
		{"ce_subject", e.Key.String()},
		{"ce_aggregateversion", strconv.FormatInt(e.AggregateVersion, 10)},
		{"content-type", "application/json"},
	}
	if e.TraceParent != "" {
		headers = append(headers, [2]string{"traceparent", e.TraceParent})
	}
	r := &sarama.Record{Key: []byte(e.Key.String()), Value: e.Data}
	size := len(r.Key) + len(r.Value) + 64
	for _, h := range headers {
		r.Headers = append(r.Headers, &sarama.RecordHeader{Key: []byte(h[0]), Value: []byte(h[1])})
		size += len(h[0]) + len(h[1]) + 4
	}
	return r, size
}

// decode reads what encode wrote. A message that somebody else wrote becomes a broken event with an id of its place, so
// that it is parked, once, and not skipped.
func (k *Kafka) decode(m *sarama.ConsumerMessage) bus.Envelope {
	headers := map[string]string{}
	for _, h := range m.Headers {
		headers[string(h.Key)] = bus.Text(string(h.Value))
	}
	e := bus.Envelope{Source: headers["ce_source"], Type: headers["ce_type"], TraceParent: headers["traceparent"], Data: m.Value}
	var wrong []error
	read := func(name string, into func(string) error) {
		if err := into(headers[name]); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
	}
	read("ce_id", func(s string) (err error) { e.ID, err = uuid.Parse(s); return err })
	read("ce_subject", func(s string) (err error) { e.Key, err = uuid.Parse(s); return err })
	read("ce_time", func(s string) (err error) { e.OccurredAt, err = time.Parse(time.RFC3339Nano, s); return err })
	read("ce_aggregateversion", func(s string) (err error) { e.AggregateVersion, err = strconv.ParseInt(s, 10, 64); return err })
	if want := bus.ModuleOf(strings.TrimPrefix(m.Topic, k.config.Prefix)); e.Source != want {
		wrong = append(wrong, fmt.Errorf("ce_source: %q on the topic of %s", e.Source, want))
		e.Source = want
	}
	if e.Data == nil {
		e.Data = []byte{}
	}
	if len(wrong) > 0 {
		e.Broken = errors.Join(wrong...).Error()
		if e.ID == uuid.Nil {
			e.ID = uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "kafka:%s/%d/%d", m.Topic, m.Partition, m.Offset))
		}
		if e.OccurredAt.IsZero() {
			e.OccurredAt = m.Timestamp
		}
	}
	return e
}
