package bus

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/outbox"
)

// ConsumersConfig says who hears what.
type ConsumersConfig struct {
	Subscriptions []Subscription
	Known         []string                          // every type of event that this binary's contracts list
	Pool          func(module string) *pgxpool.Pool // the consuming module's own database
	Transport     Transport
	Registerer    prometheus.Registerer // nil: nobody asks
	Logger        *slog.Logger
}

// Consumers runs one group for each module that subscribes to something.
type Consumers struct {
	transport Transport
	groups    map[string]*Group // by module
	log       *slog.Logger
}

// NewConsumers returns the groups of the subscriptions' modules. A subscription to a type that no contract lists is an
// error, because it would never hear anything.
func NewConsumers(c ConsumersConfig) (*Consumers, error) {
	known := map[string]bool{}
	for _, typ := range c.Known {
		if _, err := outbox.SourceOf(typ); err != nil {
			return nil, err
		}
		known[typ] = true
	}
	metrics := newConsumerMetrics(c.Registerer)
	groups := map[string]*Group{}
	for _, s := range c.Subscriptions {
		if !known[s.Type] {
			return nil, fmt.Errorf("%s subscribes to %s, which no contract lists", s.Module, s.Type)
		}
		g := groups[s.Module]
		if g == nil {
			g = &Group{
				Name: Topic(s.Module), Pool: c.Pool(s.Module), module: s.Module,
				handlers: map[string][]Subscription{}, known: known, inbox: newInbox(s.Module), metrics: metrics, log: c.Logger,
			}
			groups[s.Module] = g
		}
		g.handlers[s.Type] = append(g.handlers[s.Type], s)
		if topic := Topic(s.Source); !slices.Contains(g.Topics, topic) {
			g.Topics = append(g.Topics, topic)
		}
	}
	return &Consumers{transport: c.Transport, groups: groups, log: c.Logger}, nil
}

// Run blocks until ctx ends, and returns nil then. A transport or a database that is away delays the events, nothing
// else.
func (c *Consumers) Run(ctx context.Context) error {
	var all errgroup.Group
	for _, g := range c.groups {
		all.Go(func() error {
			for wait := firstWait; ; wait = min(2*wait, longestWait) {
				start := time.Now()
				err := c.transport.Consume(ctx, g)
				if ctx.Err() != nil {
					return nil
				}
				if time.Since(start) > longestWait { // it did work
					wait = firstWait
				}
				c.log.WarnContext(ctx, "cannot consume events; trying again", "group", g.Name, "wait", wait, "error", err)
				if clock.Sleep(ctx, clock.About(wait)) != nil {
					return nil
				}
			}
		})
	}
	return all.Wait()
}

// Modules returns the modules that hear something, sorted.
func (c *Consumers) Modules() []string { return slices.Sorted(maps.Keys(c.groups)) }

// Positions says how far the module's group is.
func (c *Consumers) Positions(ctx context.Context, module string) ([]Position, error) {
	g := c.groups[module]
	if g == nil {
		return nil, nil
	}
	return c.transport.Positions(ctx, g.Name, g.Topics)
}

// Abandoned returns positions that no group of this binary reads on from, see [Transport].
func (c *Consumers) Abandoned(ctx context.Context) ([]Abandoned, error) {
	groups := map[string][]string{}
	for _, g := range c.groups {
		groups[g.Name] = g.Topics
	}
	return c.transport.Abandoned(ctx, groups)
}

// Parking returns what the module has parked; nil if the module hears nothing.
func (c *Consumers) Parking(module string) *Parking {
	g := c.groups[module]
	if g == nil {
		return nil
	}
	return newParking(g)
}
