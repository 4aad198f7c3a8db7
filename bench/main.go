// Command bench measures how fast the shop is, on a real PostgreSQL that waits for its disk: orders beside the same code with one
// transaction per step, reads beside a bare handler that writes the same bytes, and claims of coupons beside other ways of giving them.
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
	Redis    string        `env:"SHOP_TEST_REDIS_URL" help:"A Redis, for the ways of claiming coupons that need one. Empty: they are not measured."`
	Kafka    []string      `env:"SHOP_TEST_KAFKA_BROKERS" help:"A Kafka, for the way of claiming coupons that needs one. Empty: it is not measured."`
	Out      string        `default:"docs/benchmarks" type:"path" help:"Folder of the charts; the tables go into the file of its name that ends in .md."`
	Limit    time.Duration `default:"30m" help:"After which it gives up."`
	Profile  string        `type:"path" help:"Folder for CPU profiles of what is measured; one round is enough then."`
}

type cli struct {
	Orders  ordersCommand  `cmd:"" help:"Orders a second, in process and over HTTP."`
	Reads   readsCommand   `cmd:"" help:"Details of products a second, over HTTP."`
	Claims  claimsCommand  `cmd:"" help:"Claims of coupons a second, beside other ways of giving them."`
	All     allCommand     `cmd:"" help:"All of it."`
	Shop    shopCommand    `cmd:"" hidden:"" help:"Be the shop that is measured."`
	Gate    gateCommand    `cmd:"" hidden:"" help:"Be the bare handler that a sold-out shop is measured beside."`
	Claimer claimerCommand `cmd:"" hidden:"" help:"Be the process that is killed."`
	Bare    bareCommand    `cmd:"" hidden:"" help:"Be the bare handler that it is measured beside."`
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
func (c ordersCommand) Run(ctx context.Context) error { return run(ctx, c.settings, measureOrders) }

type readsCommand struct{ settings }

// Run measures reads.
func (c readsCommand) Run(ctx context.Context) error { return run(ctx, c.settings, measureReads) }

type claimsCommand struct{ settings }

// Run measures claims.
func (c claimsCommand) Run(ctx context.Context) error { return run(ctx, c.settings, measureClaims) }

type allCommand struct{ settings }

// Run measures everything.
func (c allCommand) Run(ctx context.Context) error {
	return run(ctx, c.settings, measureOrders, measureReads, measureClaims)
}

// part measures something and adds what it found to the report.
type part func(ctx context.Context, w *world, r *report) error

func run(ctx context.Context, s settings, parts ...part) (err error) {
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
	r := &report{machine: w.machine(ctx), settings: s}
	fmt.Println(r.machine)
	for _, p := range parts {
		if err := p(ctx, w, r); err != nil {
			return err
		}
	}
	r.took = time.Since(begun)
	return r.write()
}
