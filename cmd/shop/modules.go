package main

import (
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

// modules is the table of the shop: each bounded context, its wiring, and the events that it publishes.
var modules = []struct {
	name   string
	wiring fx.Option
	events []string
}{
	{"accounts", accountsfx.Module, accounts.Events},
	{"catalog", catalogfx.Module, catalog.Events},
	{"ordering", orderingfx.Module, ordering.Events},
	{"payments", paymentsfx.Module, payments.Events},
	{"coupons", couponsfx.Module, coupons.Events},
	{"queue", queuefx.Module, queue.Events},
}

// wire is the platform with every module on it. Without more it only answers calls; platformfx.Workers makes it serve.
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
		options = append(options, m.wiring)
	}
	return fx.Options(options...)
}

// events are the types of all events that there are.
func events() []string {
	var all []string
	for _, m := range modules {
		all = append(all, m.events...)
	}
	slices.Sort(all)
	return all
}
