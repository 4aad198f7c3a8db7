package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"github.com/alecthomas/kong"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sasapick/shop/bench/benchfx"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/telemetry"
	"github.com/sasapick/shop/internal/platform/web"
)

// shopConfig is the shop's settings as nobody has set them, on the database, with so many connections for each module; 0: as many as
// the shop's own.
func shopConfig(database, folder string, conns int32) (config.Config, error) {
	var c config.Config
	k, err := kong.New(&c)
	if err != nil {
		return c, fmt.Errorf("read the settings: %w", err)
	}
	if _, err := k.Parse(nil); err != nil {
		return c, fmt.Errorf("read the settings: %w", err)
	}
	c.DatabaseURL, c.DataDir = database, folder
	if conns > 0 {
		c.DatabaseConns = conns
	}
	return c, c.Check()
}

// place is where a shop has its data.
type place struct {
	Database      string `required:""`
	Folder        string `required:"" type:"path"`
	Cassandra     []string
	Elasticsearch string
	Stores        string // the name of the keyspace and of the alias
	Conns         int32
}

func (p place) config() (config.Config, error) {
	c, err := shopConfig(p.Database, p.Folder, p.Conns)
	if p.Stores != "" {
		c.CassandraHosts, c.CassandraKeyspace, c.ElasticsearchURL, c.ElasticsearchAlias = p.Cassandra, p.Stores, p.Elasticsearch, p.Stores
	}
	return c, err
}

// shopCommand is the shop, as cmd/shop serves it, with its log in a file.
type shopCommand struct {
	place
	Log        string `required:"" type:"path"`
	Shards     int
	MaxBatch   int
	Statement  int    // connections for claims of one statement, which then have a route
	MaxDetails uint64 // bytes of details that it keeps; 0: as many as the shop
}

// Run serves until the input ends.
func (s shopCommand) Run(ctx context.Context) error {
	c, err := s.config()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	buffer := telemetry.NewBuffer(file)
	defer func() { _ = buffer.Close() }()
	log := telemetry.Logger(buffer, "json", c.LogLevel)
	slog.SetDefault(log)
	shop, err := benchfx.Open(ctx, c, log, benchfx.Options{Flights: batch.Limits{Shards: s.Shards, MaxBatch: s.MaxBatch}, Workers: true, MaxDetails: s.MaxDetails})
	if err != nil {
		return err
	}
	if s.Statement > 0 {
		pool, err := (&world{url: s.Database}).openPool(ctx, s.Statement)
		if err != nil {
			return errors.Join(err, shop.Close(ctx))
		}
		defer pool.Close()
		statements{pool}.routes(shop.API)
	}
	err = serve(ctx, shop.API.Handler())
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return errors.Join(err, shop.Close(stopping))
}

// answer is what the bare handler says of one path.
type answer struct {
	Path   string
	Header http.Header
	Body   []byte
}

// bareCommand is the least that can answer: chi, and bytes that are there.
type bareCommand struct {
	Answers string `required:"" type:"path"`
}

// Run serves until the input ends.
func (b bareCommand) Run(ctx context.Context) error {
	encoded, err := os.ReadFile(b.Answers)
	if err != nil {
		return fmt.Errorf("read the answers: %w", err)
	}
	var answers []answer
	if err := json.Unmarshal(encoded, &answers); err != nil {
		return fmt.Errorf("read the answers: %w", err)
	}
	byID := make(map[string]*answer, len(answers))
	for i := range answers {
		byID[answers[i].Path[len(productPath):]] = &answers[i]
	}
	router := chi.NewRouter()
	router.Get(productPath+"{id}", func(w http.ResponseWriter, r *http.Request) {
		a := byID[chi.URLParam(r, "id")]
		if a == nil {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		for name, values := range a.Header {
			h[name] = values
		}
		_, _ = w.Write(a.Body)
	})
	return serve(ctx, router)
}

// serve answers with the shop's own server, tells where on the first line of the output, and ends with the input.
func serve(ctx context.Context, handler http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	private, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	profiles := http.NewServeMux()
	profiles.HandleFunc("/debug/pprof/profile", pprof.Profile)
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(batch.Collectors()...)
	profiles.Handle("/metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	go func() {
		_ = web.Serve(ctx, &http.Server{Handler: profiles, ReadHeaderTimeout: time.Second}, private, 0)
	}()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println(public.Addr(), private.Addr())
	return web.Serve(ctx, web.NewServer(public.Addr().String(), handler), public, time.Second)
}
