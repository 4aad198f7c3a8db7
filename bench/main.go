// Command bench measures how fast the shop is, on a real PostgreSQL that waits for its disk: orders beside the same code with one
// transaction per step, reads beside a bare handler that writes the same bytes, claims of coupons and pieces of drops beside other ways of
// giving them, and a large catalogue beside a small one.
//
// What is compared takes turns, and of the rounds the median counts: a machine that is shared, or throttled, slows both.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type settings struct {
	Rounds   int           `default:"5" help:"How often everything is measured, by turns."`
	Run      time.Duration `default:"2s" help:"How long one measurement takes."`
	Warm     time.Duration `default:"500ms" help:"How long it runs before it counts."`
	Database string        `env:"SHOP_TEST_DATABASE_URL" help:"A PostgreSQL server, with fsync, whose user may make databases. Empty: one of its own, in a folder of its own."`
	Redis    string        `env:"SHOP_TEST_REDIS_URL" help:"A Redis, for the ways of giving coupons and slots that need one. Empty: they are not measured."`
	Kafka    []string      `env:"SHOP_TEST_KAFKA_BROKERS" help:"A Kafka, for the way of giving coupons and slots that needs one. Empty: it is not measured."`
	Out      string        `default:"docs/benchmarks" type:"path" help:"Folder of the charts; the tables go into the file of its name that ends in .md."`
	Limit    time.Duration `default:"1h" help:"After which it gives up."`
	Profile  string        `type:"path" help:"Folder for CPU profiles of what is measured; one round is enough then."`
}

type cli struct {
	Orders ordersCommand `cmd:"" help:"Orders a second, in process and over HTTP."`
	Reads  readsCommand  `cmd:"" help:"Details of products a second, over HTTP."`
	Claims claimsCommand `cmd:"" help:"Claims of coupons a second, beside other ways of giving them."`
	Drops  dropsCommand  `cmd:"" help:"Slots and orders of a drop a second, beside other ways of selling them."`

	Catalog catalogCommand `cmd:"" help:"A small catalogue beside a large one, in Cassandra and Elasticsearch: details, lists, filling, imports and exports."`

	Overload overloadCommand `cmd:"" help:"Orders in time of a shop that is offered many times what it can serve, with and without a gate that steers."`
	Queue    queueCommand    `cmd:"" help:"Waiting rooms: a short line beside a long one in Redis, and the gate."`

	All   allCommand   `cmd:"" help:"All of it; the catalogues only where Cassandra and Elasticsearch are."`
	Shop  shopCommand  `cmd:"" hidden:"" help:"Be the shop that is measured."`
	Gate  gateCommand  `cmd:"" hidden:"" help:"Be the bare handler that a sold-out shop is measured beside."`
	Giver giverCommand `cmd:"" hidden:"" help:"Be the process that is killed."`
	Bare  bareCommand  `cmd:"" hidden:"" help:"Be the bare handler that it is measured beside."`
	Fill  fillCommand  `cmd:"" hidden:"" help:"Be the process that fills a catalogue."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("bench"), kong.Description("Measures how fast the shop is."), kong.ShortUsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type ordersCommand struct{ settings }

// Run measures orders.
func (c ordersCommand) Run(ctx context.Context) error {
	return run(ctx, c.settings, opens, inhabit, measureOrders)
}

type readsCommand struct{ settings }

// Run measures reads.
func (c readsCommand) Run(ctx context.Context) error {
	return run(ctx, c.settings, opens, inhabit, measureReads)
}

type claimsCommand struct{ settings }

// Run measures claims.
func (c claimsCommand) Run(ctx context.Context) error {
	return run(ctx, c.settings, opens, inhabit, measureClaims)
}

type dropsCommand struct{ settings }

// Run measures drops.
func (c dropsCommand) Run(ctx context.Context) error {
	return run(ctx, c.settings, opens, inhabit, measureDrops)
}

type catalogCommand struct {
	settings
	catalogues
}

// Run measures catalogues.
func (c catalogCommand) Run(ctx context.Context) error {
	if !c.there() {
		return errNoStores
	}
	return run(ctx, c.settings, opensCatalog, c.measure)
}

type queueCommand struct {
	settings
	lines
}

// Run measures waiting rooms.
func (c queueCommand) Run(ctx context.Context) error {
	return run(ctx, c.settings, opensQueue, c.measure)
}

type overloadCommand struct {
	settings
	overload
}

// Run measures a shop that is offered too much.
func (c overloadCommand) Run(ctx context.Context) error {
	c.settings.Run, c.settings.Warm = c.For/2, c.For/2
	return run(ctx, c.settings, opensOverload, inhabit, c.measure)
}

type allCommand struct{ catalogCommand }

// Run measures everything.
func (c allCommand) Run(ctx context.Context) error {
	if err := run(ctx, c.settings, opens, inhabit, measureOrders, measureReads, measureClaims, measureDrops); err != nil || !c.there() {
		return err
	}
	return c.catalogCommand.Run(ctx)
}

// part measures something and adds what it found to the report.
type part func(ctx context.Context, w *world, r *report) error

func run(ctx context.Context, s settings, opens string, parts ...part) (err error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, s.Limit, fmt.Errorf("not done after %s", s.Limit))
	defer cancel()
	w, err := newWorld(ctx, s)
	if err != nil {
		return err
	}
	defer func() {
		if closed := w.close(); err == nil {
			err = closed
		}
	}()
	r := &report{opens: opens, machine: w.machine(ctx), settings: s}
	fmt.Println(r.machine)
	for _, p := range parts {
		if err := p(ctx, w, r); err != nil {
			return err
		}
	}
	r.took = time.Since(begun)
	return r.write()
}
