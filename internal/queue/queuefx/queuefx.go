// Package queuefx wires the module queue.
package queuefx

import (
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/platformfx"
	"github.com/sasapick/shop/internal/queue"
	"github.com/sasapick/shop/internal/queue/internal/app"
)

const name = "queue"

// Module hosts the rooms in this process, and puts their gate before the operations of all modules.
var Module = fx.Module(name,
	platformfx.Own(name),
	fx.Provide(
		app.NewService,
		fx.Private,
	),
	fx.Provide(
		func(s *app.Service) queue.Service { return s },
		platformfx.Routes(app.NewHTTP),
		platformfx.Routes(app.NewAdmin),
		platformfx.Routes(app.NewGate),
		platformfx.Books(app.Books),
	),
)
