// Package platformfx wires the platform for fx, and names the groups through which modules hand in what they bring: routes,
// subscriptions and jobs.
package platformfx

import (
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/jobs"
	"github.com/sasapick/shop/internal/platform/web"
)

// Routes provides what a constructor returns as a web.Routes of the shop.
func Routes(constructor any) any {
	return fx.Annotate(constructor, fx.As(new(web.Routes)), fx.ResultTags(`group:"routes"`))
}

// Subscriptions provides the events that a module hears; the constructor returns a []bus.Subscription.
func Subscriptions(constructor any) any {
	return fx.Annotate(constructor, fx.ResultTags(`group:"subscriptions,flatten"`))
}

// Jobs provides what a module does by the clock; the constructor returns a []jobs.Job.
func Jobs(constructor any) any {
	return fx.Annotate(constructor, fx.ResultTags(`group:"jobs,flatten"`))
}

type handedIn struct {
	fx.In

	Routes        []web.Routes       `group:"routes"`
	Subscriptions []bus.Subscription `group:"subscriptions"`
	Jobs          []jobs.Job         `group:"jobs"`
}
