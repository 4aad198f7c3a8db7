package linetest

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/queue/internal/app"
)

// hall is a room with who asks in it.
type hall struct {
	*testing.T
	app.Line
	pass  func(time.Duration)
	rules app.Rules
}

func (h *hall) enter(account uuid.UUID) app.Place {
	h.Helper()
	return h.enterWith(app.Arrival{Account: account})
}

func (h *hall) enterWith(a app.Arrival) app.Place {
	h.Helper()
	p, err := h.Enter(h.Context(), h.rules, a)
	require.NoError(h, err)
	return p
}

// thaw lets the time go by that a line is frozen for when it begins: it does so when it is asked first.
func (h *hall) thaw() {
	h.Helper()
	_, err := h.Figures(h.Context(), h.rules)
	require.NoError(h, err)
	h.pass(app.PassLife + app.SlotSlack + time.Second)
}

func (h *hall) look(account uuid.UUID) app.Place {
	h.Helper()
	p, err := h.Look(h.Context(), h.rules, app.Arrival{Account: account})
	require.NoError(h, err)
	return p
}

func (h *hall) call() app.Called {
	h.Helper()
	called, err := h.Call(h.Context(), h.rules, 100)
	require.NoError(h, err)
	return called
}

// goOn lets time go by in which somebody calls, and sums what came of it.
func (h *hall) goOn(long time.Duration) (sum app.Called) {
	h.Helper()
	for long > 0 {
		step := min(long, app.Absent/3)
		h.pass(step)
		long -= step
		called := h.call()
		sum.Called, sum.Forgotten, sum.Missed = sum.Called+called.Called, sum.Forgotten+called.Forgotten, sum.Missed+called.Missed
	}
	return sum
}

func (h *hall) figures(waiting, proceed, active int64) {
	h.Helper()
	f, err := h.Figures(h.Context(), h.rules)
	require.NoError(h, err)
	require.Equal(h, []int64{waiting, proceed, active}, []int64{f.Waiting, f.Proceed, f.Active})
}
