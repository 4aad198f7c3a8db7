package stacktest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// RedisClient returns a client of the Redis at the URL, which is closed with the test.
func RedisClient(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	client := redis.NewClient(options)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// RedisServer is a Redis of the test's own, which can be killed.
type RedisServer struct {
	URL string

	t       testing.TB
	dir     string
	address string
	cmd     *exec.Cmd
}

// OwnRedis starts a Redis that writes every change to disk within a second, as is usual, and ends with the test. It needs redis-server in
// the PATH, and is what [Address] says of an engine without it.
func OwnRedis(t testing.TB) *RedisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		without(t, "there is no redis-server")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &RedisServer{t: t, dir: t.TempDir(), address: free.Addr().String()}
	s.URL = "redis://" + s.address + "/0"
	require.NoError(t, free.Close())
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// Start starts it on what is on disk, and waits until it answers.
func (s *RedisServer) Start() {
	s.t.Helper()
	host, port, err := net.SplitHostPort(s.address)
	require.NoError(s.t, err)
	s.cmd = exec.Command("redis-server", "--bind", host, "--port", port, "--dir", s.dir, "--appendonly", "yes", "--save", "", "--loglevel", "warning")
	require.NoError(s.t, s.cmd.Start())
	client := redis.NewClient(&redis.Options{Addr: s.address, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(patience); ; <-tick.C {
		if err = client.Ping(s.t.Context()).Err(); err == nil {
			return
		}
		require.True(s.t, time.Now().Before(until), fmt.Sprint("redis-server does not answer: ", err))
	}
}

// Kill is kill -9. Again: nothing.
func (s *RedisServer) Kill() {
	if s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// Forget removes what is on disk of one that is not running.
func (s *RedisServer) Forget() {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	require.NoError(s.t, err)
	for _, f := range files {
		require.NoError(s.t, os.RemoveAll(f))
	}
}
