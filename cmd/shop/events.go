package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/bus/kafka"
	"github.com/sasapick/shop/internal/platform/bus/pglog"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/pg"
)

type eventsCommand struct {
	Tail eventsTailCommand `cmd:"" help:"Print the modules' events as JSON lines, oldest first. Works while the shop runs, and changes nothing."`
}

type eventsTailCommand struct {
	Module string        `help:"Only this module's events."`
	Type   string        `help:"Only events of this type, such as ordering.paid.v1."`
	Since  time.Duration `default:"10m" help:"How far back to begin; the bus keeps three days."`
	Follow bool          `short:"f" help:"Go on with what comes, until interrupted."`
}

// Run reads the bus itself, Kafka or the log in PostgreSQL, as somebody who watches: what it prints is what the modules are
// given, in their order.
func (t eventsTailCommand) Run(c config.Config) error {
	ctx, stop := interruptible()
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // a reader that has enough ends us in order, as what is embedded must be stopped
	tail, err := t.tail(time.Now())
	if err != nil {
		return err
	}
	g, err := openGround(ctx, c, true)
	if err != nil {
		return err
	}
	defer g.close()
	transport, closeTransport, err := openTransport(ctx, g)
	if err != nil {
		return err
	}
	defer closeTransport()
	err = t.print(ctx, transport, tail, os.Stdout)
	if ctx.Err() != nil || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// tail is what to ask the bus for.
func (t eventsTailCommand) tail(now time.Time) (bus.Tail, error) {
	tail := bus.Tail{Since: now.Add(-t.Since), Follow: t.Follow}
	for _, m := range modules {
		if t.Module != "" && m.name != t.Module || t.Type != "" && !slices.Contains(m.events, t.Type) {
			continue
		}
		tail.Topics = append(tail.Topics, bus.Topic(m.name))
	}
	switch {
	case t.Since < 0:
		return tail, errors.New("--since must not be negative")
	case len(tail.Topics) > 0:
		return tail, nil
	case t.Type == "":
		return tail, fmt.Errorf("there is no module %q", t.Module)
	case t.Module == "":
		return tail, fmt.Errorf("no module publishes events of the type %q", t.Type)
	}
	return tail, fmt.Errorf("the module %q publishes no events of the type %q", t.Module, t.Type)
}

func (t eventsTailCommand) print(ctx context.Context, transport bus.Transport, tail bus.Tail, out io.Writer) error {
	buffered := bufio.NewWriter(out)
	lines := json.NewEncoder(buffered)
	lines.SetEscapeHTML(false)
	err := transport.Tail(ctx, tail, func(e bus.Envelope) error {
		if t.Type != "" && e.Type != t.Type {
			return nil
		}
		if err := lines.Encode(cloudEvent(e)); err != nil {
			return fmt.Errorf("print an event: %w", err)
		}
		if !tail.Follow {
			return nil // all at once is quicker, and the end is near
		}
		return buffered.Flush()
	})
	return errors.Join(err, buffered.Flush())
}

// event is a CloudEvent in the JSON format of CloudEvents 1.0.
type event struct {
	SpecVersion      string          `json:"specversion"`
	ID               string          `json:"id"`
	Source           string          `json:"source"`
	Type             string          `json:"type"`
	Time             time.Time       `json:"time"`
	Subject          string          `json:"subject"`
	AggregateVersion int64           `json:"aggregateversion"`
	TraceParent      string          `json:"traceparent,omitempty"`
	ContentType      string          `json:"datacontenttype"`
	Data             json.RawMessage `json:"data,omitempty"`
	DataBase64       []byte          `json:"data_base64,omitempty"` // what is no JSON, though it should be
}

func cloudEvent(e bus.Envelope) event {
	line := event{
		SpecVersion: "1.0", ID: e.ID.String(), Source: e.Source, Type: e.Type, Time: e.OccurredAt.UTC(), Subject: e.Key.String(),
		AggregateVersion: e.AggregateVersion, TraceParent: e.TraceParent, ContentType: "application/json",
	}
	if json.Valid(e.Data) {
		line.Data = e.Data
	} else {
		line.ContentType, line.DataBase64 = "application/octet-stream", e.Data
	}
	return line
}

// openTransport connects to the bus that the shop with these settings has.
func openTransport(ctx context.Context, g *ground) (bus.Transport, func(), error) {
	if len(g.config.KafkaBrokers) > 0 {
		k, err := kafka.New(kafka.Config{Brokers: g.config.KafkaBrokers, Partitions: g.config.KafkaPartitions, Prefix: g.config.KafkaPrefix, Logger: g.log})
		if err != nil {
			return nil, nil, fmt.Errorf("set up Kafka: %w", err)
		}
		return k, func() { _ = k.Close() }, nil
	}
	pool, err := pg.Open(ctx, pg.Config{URL: g.config.DatabaseURL, Name: "tail", MaxConns: 2})
	if err != nil {
		return nil, nil, fmt.Errorf("open the database: %w", err)
	}
	return pglog.New(pool), pool.Close, nil
}
