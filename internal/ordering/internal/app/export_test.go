package app

import (
	"context"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
)

// Way is a row of the table of transitions.
type Way struct {
	From, To ordering.State
	Why      string
	Asked    bool
	Event    string
}

// Ways is the table of transitions.
func Ways() []Way {
	ways := make([]Way, len(transitions))
	for i, t := range transitions {
		ways[i] = Way{From: t.from, To: t.to, Asked: t.asked, Why: t.why}
		if t.event != nil {
			ways[i].Event = t.event(ordering.Change{}, db.Order{}).EventType()
		}
	}
	return ways
}

// Dead tells whether an order in the state holds nothing any more.
func Dead(s ordering.State) bool { return dead(s) }

// Advance takes an order to a state, if the table has a way; the columns that only some states have are filled in.
func (s *Service) Advance(ctx context.Context, id uuid.UUID, to ordering.State, asked bool) error {
	st := step{to: to, by: system}
	if asked {
		st.by = manager(uuid.New())
	}
	if to == ordering.StateRejected {
		st.set.Refusal = []byte(`{}`)
	}
	if to == ordering.StateAwaitingPayment {
		now := s.clock()
		st.set.ExpiresAt, st.set.AttendAt = &now, &now
	}
	_, err := s.advance(ctx, id, st, managing{})
	return err
}

// TotalOf is what a quote says that the cart costs.
func TotalOf(q Quote) int64 { return q.price.totalWon }
