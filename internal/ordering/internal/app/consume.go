package app

import (
	"github.com/sasapick/shop/internal/platform/bus"
)

// Subscriptions are the events that ordering hears: what payments says of the money.
func Subscriptions(s *Service) []bus.Subscription {
	return []bus.Subscription{
		bus.On("ordering", s.onCaptured),
		bus.On("ordering", s.onRefunded),
		bus.On("ordering", s.onRefundRefused),
	}
}
