package main

import (
	"fmt"
	"log/slog"
	"slices"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/accountsfx"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/catalogfx"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/couponsfx"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/orderingfx"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/paymentsfx"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/queuefx"
)

// modules is the table of the shop: each bounded context, its wiring where it is hosted, its client where another process hosts it (nil:
// there is none yet), the events that it publishes, and the modules without whose contracts it cannot work.
var modules = []member{
	{"accounts", accountsfx.Module, accountsfx.Remote, accounts.Events, nil},
	{"catalog", catalogfx.Module, nil, catalog.Events, []string{"accounts"}},
	{"ordering", orderingfx.Module, nil, ordering.Events, []string{"accounts", "catalog", "payments", "coupons"}},
	{"payments", paymentsfx.Module, paymentsfx.Remote, payments.Events, []string{"accounts"}},
	{"coupons", couponsfx.Module, couponsfx.Remote, coupons.Events, []string{"accounts"}},
	{"queue", queuefx.Module, nil, queue.Events, []string{"accounts", "catalog", "coupons"}},
}

// member is a line of the table.
type member struct {
	name   string
	hosted fx.Option
	remote fx.Option
	events []string
	needs  []string
}

// reachable refuses a process whose modules need one that it neither hosts nor has the address of.
func reachable(c config.Config) error {
	for _, m := range modules {
		if !c.Hosts(m.name) {
			continue
		}
		for _, need := range m.needs {
			if c.Hosts(need) || c.Elsewhere(need) != "" {
				continue
			}
			if !slices.ContainsFunc(modules, func(o member) bool { return o.name == need && o.remote != nil }) {
				return fmt.Errorf("modules: %s needs %s in the same process", m.name, need)
			}
			return fmt.Errorf("modules: %s needs %s: host it here too, or set %s-url to the private address of the process that does", m.name, need, need)
		}
	}
	return nil
}

// wire is the platform with every module on it that this process hosts, and with the clients of those that it knows elsewhere. Without
// more it only answers calls; platformfx.Workers makes it serve.
func wire(c config.Config, log *slog.Logger) fx.Option {
	options := []fx.Option{
		fx.Supply(c, log, platformfx.Version(version())),
		fx.WithLogger(func() fxevent.Logger {
			l := &fxevent.SlogLogger{Logger: log}
			l.UseLogLevel(slog.LevelDebug)
			return l
		}),
		platformfx.Module,
	}
	for _, m := range modules {
		switch {
		case c.Hosts(m.name):
			options = append(options, m.hosted)
		case c.Elsewhere(m.name) != "":
			options = append(options, m.remote)
		}
	}
	return fx.Options(options...)
}

// events are the types of all events that there are, whoever hosts their modules.
func events() []string {
	var all []string
	for _, m := range modules {
		all = append(all, m.events...)
	}
	slices.Sort(all)
	return all
}
