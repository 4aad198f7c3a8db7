package platformfx

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/rpc"
	"github.com/sasapick/shop/internal/platform/web"
)

// Methods provides the methods of a module's contracts to other processes; the constructor returns a []rpc.Method.
func Methods(constructor any) any {
	return fx.Annotate(constructor, fx.ResultTags(`group:"methods,flatten"`))
}

// Elsewhere gives a module that another process hosts the client that reaches it, and has its routes answered there.
func Elsewhere(module string, routes ...web.Routes) fx.Option {
	return fx.Options(
		fx.Provide(
			func(lc fx.Lifecycle, c config.Config, metrics *prometheus.Registry) (*rpc.Client, error) {
				client, err := rpc.NewClient(c.Elsewhere(module), c.RPCToken, prometheus.WrapRegistererWith(prometheus.Labels{"module": module}, metrics))
				if err != nil {
					return nil, fmt.Errorf("reach %s: %w", module, err)
				}
				lc.Append(fx.StopHook(client.Close))
				return client, nil
			},
			fx.Private,
		),
		fx.Provide(Routes(func(client *rpc.Client) elsewhere { return elsewhere{module, client, routes} })),
	)
}

type elsewhere struct {
	module string
	client *rpc.Client
	routes []web.Routes
}

// Routes implements [web.Routes].
func (e elsewhere) Routes(api *web.API) { api.Elsewhere(e.module, e.client, e.routes...) }

type served struct {
	fx.In

	Methods []rpc.Method `group:"methods"`
}

func newRPC(in served, c config.Config, log *slog.Logger) (*rpc.Server, error) {
	return rpc.NewServer(c.RPCToken, log, in.Methods...)
}
