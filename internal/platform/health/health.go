// Package health says whether the parts that the shop stands on can be used: to a load balancer at /readyz, to an operator
// by `shop doctor`.
package health

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Part is something that the shop stands on.
type Part struct {
	Name     string
	Kind     string // what it is here: "PostgreSQL 15.18, embedded"
	Required bool   // without it the shop serves nobody
	Check    func(ctx context.Context) error
}

// State is a part as it was found.
type State struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Required bool   `json:"required"`
	State    string `json:"state"` // "up" or "down"
	Error    string `json:"-"`     // for operators: it may name addresses
}

// Limits of a look at the parts.
const (
	deadline = 2 * time.Second // of one check
	fresh    = time.Second     // how long a look is good for, however many ask
)

// Checker looks at parts, at most once a second.
type Checker struct {
	parts    []Part
	draining atomic.Bool

	mu     sync.Mutex
	looked time.Time
	states []State
}

// New returns a checker of the parts.
func New(parts ...Part) *Checker { return &Checker{parts: parts} }

// Drain makes /readyz say no, so that a load balancer sends nobody any more.
func (c *Checker) Drain() { c.draining.Store(true) }

// Look returns the state of each part; at most a second old.
func (c *Checker) Look(ctx context.Context) []State {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < fresh {
		return c.states
	}
	// Whoever asks first looks for all: a caller that hangs up must not fail the others' look.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	states := make([]State, len(c.parts))
	var wg sync.WaitGroup
	for i, p := range c.parts {
		wg.Go(func() {
			states[i] = State{Name: p.Name, Kind: p.Kind, Required: p.Required, State: "up"}
			if err := p.Check(ctx); err != nil {
				states[i].State, states[i].Error = "down", err.Error()
			}
		})
	}
	wg.Wait()
	c.states, c.looked = states, time.Now()
	return states
}

// Live answers /livez: the process serves.
func (c *Checker) Live(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"status": "live"})
}

// Ready answers /readyz: 200 while every required part is up and the shop is not stopping, else 503; each part with its state.
func (c *Checker) Ready(w http.ResponseWriter, r *http.Request) {
	states := c.Look(r.Context())
	status, code := "ready", http.StatusOK
	for _, s := range states {
		if s.State != "up" && s.Required {
			status, code = "not_ready", http.StatusServiceUnavailable
		}
	}
	if c.draining.Load() {
		status, code = "draining", http.StatusServiceUnavailable
	}
	answer(w, code, map[string]any{"status": status, "parts": states})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
