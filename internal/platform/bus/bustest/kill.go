package bustest

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/pg"
)

const childEnv = "BUSTEST_CHILD"

// instance is one that runs in a process of its own, to be killed.
type instance struct {
	URL, Source, Hearer string
	Kill                string // inHandler, beforeMark or ""
	On                  int64  // at which event, or publication
}

const (
	inHandler  = "in the handler"
	beforeMark = "between publication and mark"
)

// Child does nothing, or is the other process of a test that kills it. It is called first in TestMain.
func Child(open func(*pgxpool.Pool) bus.Transport) {
	setting := os.Getenv(childEnv)
	if setting == "" {
		return
	}
	var in instance
	if err := json.Unmarshal([]byte(setting), &in); err != nil {
		panic(err)
	}
	go func() { // not to outlive the test
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	if err := in.run(open); err != nil {
		panic(err)
	}
	os.Exit(0)
}

func (in instance) run(open func(*pgxpool.Pool) bus.Transport) error {
	pool, err := pg.Open(context.Background(), pg.Config{URL: in.URL, Name: "bustest", MaxConns: 10})
	if err != nil {
		return err
	}
	w := &World{Pool: pool, Source: in.Source, Hearer: in.Hearer}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	transport := open(pool)
	var n atomic.Int64
	die := func() {
		if n.Add(1) == in.On {
			if self, err := os.FindProcess(os.Getpid()); err == nil {
				_ = self.Kill()
			}
			select {} // nothing more happens here, however long the signal takes
		}
	}
	switch in.Kill {
	case inHandler:
		w.refuse = func(Event) error { die(); return nil }
	case beforeMark:
		transport = dying{transport, die}
	}
	consumers, err := w.group(transport, log, []string{w.Type("happened"), w.Type("ignored")}, w.Type("happened"))
	if err != nil {
		return err
	}
	relay := bus.NewRelay(bus.RelayConfig{Modules: []string{w.Source}, Pool: w.pool, Transport: transport, Holder: uuid.NewString(), Logger: log})
	go func() { _ = relay.Run(context.Background()) }()
	return consumers.Run(context.Background())
}

// dying is a transport whose process dies after it has published.
type dying struct {
	bus.Transport
	die func()
}

func (d dying) Publish(ctx context.Context, topic string, events []bus.Envelope) []error {
	results := d.Transport.Publish(ctx, topic, events)
	if len(events) > 0 {
		d.die()
	}
	return results
}

// spawn starts an instance, armed with a failpoint if one is named; died waits until it has killed itself.
func (w *World) spawn(t *testing.T, in instance, armed string) (died func()) {
	in.URL, in.Source, in.Hearer = w.Pool.Config().ConnString(), w.Source, w.Hearer
	setting, err := json.Marshal(in)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), append(w.adapter.Env, childEnv+"="+string(setting), "SHOP_FAILPOINT="+armed)...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = stdin.Close()
		<-ended
	})
	return func() {
		t.Helper()
		w.Eventually(func() bool {
			select {
			case <-ended:
				return true
			default:
				return false
			}
		}, "the death of the process")
		require.Equal(t, "signal: killed", cmd.ProcessState.String(), "the process ended otherwise: %s", said.String())
	}
}

// killedAnywhere: an instance dies with kill -9 at an instant, and another goes on: each event takes effect once.
//
// medusa#6016: an event was deleted before its handlers had finished, and lost in a crash. medusa#4089, #11633, #14357.
func killedAnywhere(t *testing.T, w *World) {
	kills := map[string]func(t *testing.T, w *World) func(){
		inHandler:  func(t *testing.T, w *World) func() { return w.spawn(t, instance{Kill: inHandler, On: 7}, "") },
		beforeMark: func(t *testing.T, w *World) func() { return w.spawn(t, instance{Kill: beforeMark, On: 1}, "") },
	}
	if failpoint.Enabled {
		for _, point := range append(w.adapter.Points, "bus.relay.published", "bus.relay.marked", "bus.group.handled", "bus.group.committed", "leases.hold.taken", "leases.hold.renewed") {
			kills[point] = func(t *testing.T, w *World) func() { return w.spawn(t, instance{}, point+"=kill") }
		}
		kills["bus.group.parked"] = func(t *testing.T, w *World) func() {
			w.Publish(Event{Type: w.Type("happened"), Key: uuid.New(), Version: 666}) // violates a constraint
			return w.spawn(t, instance{}, "bus.group.parked=kill")
		}
	}
	for name, kill := range kills {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := NewWorld(t, w.adapter)
			all := keys(6)
			publish := func(n int) {
				for range n {
					for _, key := range all {
						w.Publish(w.Next(key))
					}
				}
			}
			publish(3)
			died := kill(t, w)
			publish(3)
			died()
			w.Exec(`UPDATE platform.leases SET until = '-infinity'`) // as it will be in five seconds
			publish(1)
			w.Relay("next", w.Transport)
			w.Consume(w.Transport)
			w.EventuallyHeard(7, all...)
			require.Equal(t, 42, w.Int(`SELECT count(*) FROM `+w.Hearer+`.heard`))
			w.Eventually(func() bool { return w.Unpublished() == 0 }, "marks")
		})
	}
}
