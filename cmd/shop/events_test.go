package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
)

// TestEventsTail watches the events of a shop that runs, from another process.
func TestEventsTail(t *testing.T) {
	t.Parallel()
	t.Run("Embedded", func(t *testing.T) {
		t.Parallel()
		watchEvents(t, newProcess(t, map[string]string{"SHOP_DEMO_PRODUCTS": "10"}))
	})
	t.Run("OnRealEngines", func(t *testing.T) {
		t.Parallel()
		watchEvents(t, newProcess(t, realKafkaSettings(t, map[string]string{"SHOP_DEMO_PRODUCTS": "10", "SHOP_DATABASE_URL": realDatabase(t)})))
	})
}

// watcher is `shop events tail` at work.
type watcher struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout io.Closer
	lines  *bufio.Scanner
	stderr *bytes.Buffer
}

func (p *process) watch(args ...string) *watcher {
	p.t.Helper()
	path, err := binary()
	require.NoError(p.t, err)
	w := &watcher{t: p.t, cmd: exec.CommandContext(p.t.Context(), path, append([]string{"events", "tail"}, args...)...), stderr: &bytes.Buffer{}}
	w.cmd.Env, w.cmd.Stderr = p.environment(), w.stderr
	stdout, err := w.cmd.StdoutPipe()
	require.NoError(p.t, err)
	w.stdout, w.lines = stdout, bufio.NewScanner(stdout)
	w.lines.Buffer(nil, 1<<20)
	require.NoError(p.t, w.cmd.Start())
	return w
}

// next is the next line; false after the last, when the command must have ended well.
func (w *watcher) next() (e event, ok bool) {
	w.t.Helper()
	if !w.lines.Scan() {
		require.NoError(w.t, w.cmd.Wait(), w.stderr.String())
		return e, false
	}
	require.NoError(w.t, json.Unmarshal(w.lines.Bytes(), &e), w.lines.Text())
	require.Equal(w.t, "1.0", e.SpecVersion)
	return e, true
}

func (w *watcher) rest() (all []event) {
	w.t.Helper()
	for e, ok := w.next(); ok; e, ok = w.next() {
		all = append(all, e)
	}
	return all
}

func watchEvents(t *testing.T, p *process) {
	registered := func() (account string) {
		person := map[string]any{"email": uuid.NewString() + "@example.com", "password": "a long password", "name": "김지은"}
		return client{p: p}.want(201, "POST", "/v1/users", person).Body["id"].(string)
	}
	has := func(account string) func(event) bool {
		return func(e event) bool { return e.Type == "accounts.registered.v1" && e.Subject == account }
	}
	first := registered()

	following := p.watch("--module=accounts", "--since=10m", "--follow")
	var before event
	for !has(first)(before) {
		var ok bool
		before, ok = following.next()
		require.True(t, ok)
		require.Equal(t, "accounts", before.Source)
	}
	require.EqualValues(t, 1, before.AggregateVersion)
	require.NotEmpty(t, before.Subject)
	second := registered()
	for e := before; !has(second)(e); {
		var ok bool
		e, ok = following.next()
		require.True(t, ok)
	}
	require.NoError(t, following.cmd.Process.Signal(syscall.SIGINT))
	following.rest()

	all := p.watch().rest()
	require.True(t, slices.IndexFunc(all, has(first)) >= 0 && slices.IndexFunc(all, has(first)) < slices.IndexFunc(all, has(second)))
	require.True(t, slices.ContainsFunc(p.watch("--type=accounts.registered.v1").rest(), has(first)))
	for _, other := range []string{"--module=catalog", "--type=accounts.closed.v1"} {
		require.False(t, slices.ContainsFunc(p.watch(other).rest(), has(first)), other)
	}
	require.False(t, slices.ContainsFunc(p.watch("--since=0s").rest(), has(first)))

	piped := p.watch("--follow", "--module=accounts") // into a program that has enough after a line
	_, ok := piped.next()
	require.True(t, ok)
	require.NoError(t, piped.stdout.Close())
	registered()
	require.NoError(t, piped.cmd.Wait(), piped.stderr.String())

	for args, sentence := range map[string]string{
		"--module=nobody":                        `there is no module "nobody"`,
		"--type=x.y.v1":                          `no module publishes events of the type "x.y.v1"`,
		"--module=queue --type=ordering.paid.v1": `the module "queue" publishes no events of the type "ordering.paid.v1"`,
	} {
		out, code := p.run(append([]string{"events", "tail"}, strings.Fields(args)...)...)
		require.Equal(t, 1, code)
		require.Equal(t, "shop: "+sentence+"\n", out)
	}
}

func TestCloudEvent(t *testing.T) {
	t.Parallel()
	e := bus.Envelope{
		ID: uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"), Source: "ordering", Type: "ordering.paid.v1",
		Key: uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3e"), AggregateVersion: 3, OccurredAt: time.Unix(0, 0), Data: []byte(`{"a": "<b>"}`),
	}
	line, err := json.Marshal(cloudEvent(e))
	require.NoError(t, err)
	require.JSONEq(t, `{"specversion":"1.0","id":"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d","source":"ordering","type":"ordering.paid.v1",
"time":"1970-01-01T00:00:00Z","subject":"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3e","aggregateversion":3,"datacontenttype":"application/json","data":{"a":"<b>"}}`, string(line))
	e.Data = []byte("\x00 no JSON")
	require.Equal(t, e.Data, cloudEvent(e).DataBase64)
	require.Nil(t, cloudEvent(e).Data)
}
