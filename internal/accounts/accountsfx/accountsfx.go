// Package accountsfx wires the module accounts.
package accountsfx

import (
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/accounts/internal/memory"
	"github.com/sasapick/shop/internal/accounts/internal/redis"
	"github.com/sasapick/shop/internal/accounts/internal/remote"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/platform/rpc"
)

const module = "accounts"

// Module hosts accounts in this process: its contract, the keys that tokens are verified with, its routes, what it hears,
// what it does by the clock, and what must hold of its books.
var Module = fx.Module(module,
	platformfx.Own(module),
	fx.Provide(
		func(v *auth.Verifier) app.Revoker { return v },
		newConfig, newPasswords, newLimit, app.NewKeyring, newService,
		fx.Private,
	),
	fx.Provide(
		func(k *app.Keyring) auth.Source { return k },
		func(s *app.Service) accounts.Service { return s },
		func(s *app.Service) accounts.Admins { return s },
		func(s *app.Service) accounts.Points { return s },
		platformfx.Methods(newMethods),
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Subscriptions(app.Subscriptions),
		platformfx.Jobs(app.Jobs),
		platformfx.Books(app.Books),
	),
)

type parts struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    app.Config
	Pool      *pgxpool.Pool
	Outbox    *outbox.Outbox
	Audit     *audit.Log
	Clock     clock.Clock
	Keyring   *app.Keyring
	Passwords *app.Passwords
	Limit     app.Limit
	Revoker   app.Revoker
	Log       *slog.Logger
	Flights   batch.Limits `optional:"true"`
}

// newService ends the service before the pool that it writes to: fx stops in the reverse order of making.
func newService(p parts) (*app.Service, error) {
	p.Config.Flights = p.Flights
	s, err := app.NewService(p.Config, p.Pool, p.Outbox, p.Audit, p.Clock, p.Keyring, p.Passwords, p.Limit, p.Revoker, p.Log)
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.StopHook(s.Stop))
	return s, nil
}

// Remote reaches accounts in the process that hosts it, checks tokens by its keys and revocations, and passes the module's routes on to
// there. Who is signed out or suspended is known here as soon as by any other instance of the shop: within a second.
var Remote = fx.Module(module,
	platformfx.Elsewhere(module, app.NewHTTP(nil), app.NewAdmin(nil)),
	fx.Provide(fx.Annotate(remote.NewClient, fx.As(new(accounts.Service)), fx.As(new(accounts.Points)), fx.As(new(auth.Source)))),
)

type served struct {
	fx.In

	Service accounts.Service
	Source  auth.Source
	Points  accounts.Points
}

func newMethods(s served) []rpc.Method {
	return slices.Concat(remote.Service(s.Service), remote.Source(s.Source), remote.Points(s.Points))
}

func newConfig(c config.Config) app.Config {
	return app.Config{
		SignInsPerMinutePerAddress: c.SignInsPerAddress,
		SignInsPerMinutePerAccount: c.SignInsPerAccount,
		SignUpsPerMinutePerAddress: c.SignUpsPerAddress,
	}
}

func newPasswords() (*app.Passwords, error) { return app.NewPasswords(app.Argon2id(), 0) }

// newLimit counts tries in Redis where there is one, so that all instances count together, else in this process.
func newLimit(client goredis.UniversalClient, c clock.Clock, l *slog.Logger) app.Limit {
	here := memory.NewLimit(c)
	if client == nil {
		return here
	}
	return redis.NewLimit(client, here, l)
}
