package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/failpoint"
)

// binary is the command, built once for the tests that run it as a process of its own, with failpoints where the tests are.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "shop-test-bin-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "shop")
	args := []string{"build", "-o", path}
	if failpoint.Enabled {
		args = append(args, "-tags", "failpoints")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return path, nil
})

// process is a shop that runs, and can be killed and started again on the same settings.
type process struct {
	t    *testing.T
	base string
	env  map[string]string
	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan struct{}
}

// newProcess starts a shop with these settings beside those that every test needs, and stops it at the end.
func newProcess(t *testing.T, settings map[string]string) *process {
	t.Helper()
	address := freeAddress(t)
	p := &process{t: t, base: "http://" + address, env: map[string]string{
		"SHOP_LISTEN": address, "SHOP_PRIVATE_LISTEN": "", "SHOP_DATA_DIR": openDir(t), "SHOP_LOG_FORMAT": "json", "SHOP_DEMO_PRODUCTS": "60",
		"SHOP_ADMIN_EMAIL": "admin@shop.test", "SHOP_ADMIN_PASSWORD": adminPassword, "SHOP_DEMO": "true",
	}}
	maps.Copy(p.env, settings)
	p.start()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the shop's log:\n%s", tail(p.log.String(), 8000))
		}
	})
	return p
}

const adminPassword = "correct horse battery"

func (p *process) start() {
	p.t.Helper()
	p.launch()
	p.await("the shop to open", func() bool {
		require.False(p.t, p.ended(), "the shop ended: %s", p.log)
		return p.ready()
	})
}

// launch starts the process and does not wait.
func (p *process) launch() {
	p.t.Helper()
	path, err := binary()
	require.NoError(p.t, err)
	p.log, p.done = &lockedBuffer{}, make(chan struct{})
	p.cmd = exec.Command(path)
	p.cmd.Env = p.environment()
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	require.NoError(p.t, p.cmd.Start())
	go func(cmd *exec.Cmd, done chan struct{}) { _ = cmd.Wait(); close(done) }(p.cmd, p.done)
}

func (p *process) ready() bool {
	response, err := http.Get(p.base + "/readyz")
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode == http.StatusOK
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// environment is nothing of this process's but where programs are.
func (p *process) environment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		env = append(env, name+"="+p.env[name])
	}
	return env
}

// kill is kill -9, and waits until the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop ends the process as an operator does, and waits until it is gone.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.done
}

// await asks until the answer is yes, and fails after a while.
func (p *process) await(what string, yes func() bool) {
	p.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline.C:
			require.FailNow(p.t, "waited in vain for "+what, tail(p.log.String(), 8000))
		}
	}
}

// client is somebody who talks to the shop, signed in or not.
type client struct {
	p     *process
	token string
}

type answer struct {
	Status int
	Header http.Header
	Body   map[string]any
	Text   string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.Status, a.Text) }

// send makes one request; headers are pairs of name and value.
func (c client) send(method, path string, body any, headers ...string) answer {
	c.p.t.Helper()
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(c.p.t, err)
		reader = bytes.NewReader(b)
	}
	target := path
	if strings.HasPrefix(path, "/") {
		target = c.p.base + path
	}
	r, err := http.NewRequestWithContext(c.p.t.Context(), method, target, reader)
	require.NoError(c.p.t, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(c.p.t, err)
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	require.NoError(c.p.t, err)
	a := answer{Status: response.StatusCode, Header: response.Header, Text: string(b)}
	_ = json.Unmarshal(b, &a.Body)
	return a
}

// want is send with the status that must come.
func (c client) want(status int, method, path string, body any, headers ...string) answer {
	c.p.t.Helper()
	a := c.send(method, path, body, headers...)
	require.Equal(c.p.t, status, a.Status, "%s %s: %s", method, path, a.Text)
	return a
}

// signIn returns a client with a token.
func (p *process) signIn(email, password string) client {
	p.t.Helper()
	a := client{p: p}.want(200, "POST", "/v1/sessions", map[string]any{"email": email, "password": password})
	return client{p: p, token: a.Body["access_token"].(string)}
}

// signUp makes a shopper and returns them signed in.
func (p *process) signUp(email string) client {
	p.t.Helper()
	client{p: p}.want(201, "POST", "/v1/users", map[string]any{"email": email, "password": "a long password", "name": "김지은"})
	return p.signIn(email, "a long password")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// openDir is a temporary folder that the user to whom root hands the database can reach too.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "shop-test-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
