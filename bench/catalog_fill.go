package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/bench/benchfx"
)

// fillCommand fills a store of a catalogue, as `shop seed` and `shop reindex` do, and tells what that took.
type fillCommand struct {
	place
	Products int
	Store    string // cassandra or search, from PostgreSQL; empty: PostgreSQL
}

// filled is what it tells.
type filled struct {
	Took time.Duration
	Peak int64
}

// Run fills the store.
func (f fillCommand) Run(ctx context.Context) (err error) {
	var took time.Duration
	if f.Store == "" {
		start := time.Now()
		err = seedInto(ctx, f.Database, f.Products)
		took = time.Since(start)
	} else {
		took, err = f.reindex(ctx)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(filled{took, peakOf(os.Getpid())})
}

func (f fillCommand) reindex(ctx context.Context) (took time.Duration, err error) {
	c, err := f.config()
	if err != nil {
		return 0, err
	}
	shop, err := benchfx.Open(ctx, c, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), benchfx.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, shop.Close(context.WithoutCancel(ctx))) }()
	start := time.Now()
	err = shop.Reindexer.Reindex(ctx, f.Store, func(int64) {})
	return time.Since(start), err
}

var (
	productsIn = column{"products", func(s *series) string { return thousands(float64(s.samples[0].answered)) }}
	secondsFor = column{"seconds", func(s *series) string { return fmt.Sprintf("%.1f", float64(s.samples[0].answered)/s.samples[0].rate) }}
	perSecond  = column{"products a second", func(s *series) string { return fmt.Sprintf("%.0f", s.samples[0].rate) }}
	peakMiB    = column{"peak memory, MiB", func(s *series) string { return fmt.Sprintf("%.0f", memoryOf(s.samples[0])/(1<<20)) }}
)

// moved is so many products in so much time.
func moved(name string, products int64, took time.Duration, peak int64) *series {
	s := &series{name: name, samples: []sample{{rate: float64(products) / took.Seconds(), answered: products, peak: peak}}}
	fmt.Printf("%s: %d products in %s\n", name, products, took.Round(time.Millisecond))
	return s
}

// fill puts the products into PostgreSQL, and from there into the stores, one after the other and each in a process of its own.
func (s catalogues) fill(ctx context.Context, r *report, small, large *catalogue) error {
	var all []*series
	for _, c := range []*catalogue{small, large} {
		for _, store := range []struct{ name, said string }{{"", "PostgreSQL"}, {"cassandra", "Cassandra"}, {"search", "Elasticsearch"}} {
			f, err := c.fill(ctx, store.name)
			if err != nil {
				return fmt.Errorf("fill %s: %w", store.said, err)
			}
			all = append(all, moved(store.said+", "+c.String(), int64(c.products), f.Took, f.Peak))
		}
		if err := c.settle(ctx); err != nil {
			return err
		}
	}
	versions, err := large.versions(ctx)
	if err != nil {
		return err
	}
	r.add(table{
		id: "catalog-filling", title: "Filling a catalogue", unit: "products a second", series: all,
		columns: []column{productsIn, secondsFor, perSecond, peakMiB},
		notes: []string{
			versions,
			"PostgreSQL: the demo products with their stock, made and copied in by one process, as `shop seed` does",
			"Cassandra, Elasticsearch: a first generation from PostgreSQL until it is what is read, as `shop reindex` does",
			"the memory is that of the process that fills, at its most",
		},
	})
	return nil
}

func (c *catalogue) fill(ctx context.Context, store string) (f filled, err error) {
	self, err := os.Executable()
	if err != nil {
		return f, fmt.Errorf("find this program: %w", err)
	}
	filling := exec.CommandContext(ctx, self, append([]string{"fill", "--products", strconv.Itoa(c.products), "--store", store}, c.place()...)...)
	filling.Stderr = os.Stderr
	told, err := filling.Output()
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(told, &f)
}

// settle reads what there is, and tidies up.
func (c *catalogue) settle(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := c.readGoods(ctx, conn); err != nil {
		return err
	}
	return c.tidy(ctx)
}

// bulk exports catalogues and imports them again, each time at a shop that has just been started.
func (s catalogues) bulk(ctx context.Context, r *report, small, large *catalogue) error {
	tenth, lines := s.Large/10, min(s.Lines, s.Large)
	file := filepath.Join(large.folder, "products.ndjson")
	var all []*series
	for _, e := range []struct {
		of       *catalogue
		products int
		keep     string
	}{{small, s.Small, os.DevNull}, {large, tenth, os.DevNull}, {large, s.Large, file}} {
		one, err := e.of.export(ctx, e.products, e.keep)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	for _, n := range []int{max(1, lines/10), lines} {
		err := s.with(ctx, large.world, n, func(c *catalogue) error {
			one, err := c.importLines(ctx, file)
			all = append(all, one)
			return err
		})
		if err != nil {
			return err
		}
	}
	r.add(table{
		id: "catalog-bulk", title: "Products as NDJSON, exported and imported", unit: "products a second", series: all,
		columns: []column{productsIn, secondsFor, perSecond, peakMiB},
		limits: []limit{
			{"memory of the export of all ≤ 1.25 × of a tenth", all[2], all[1], memoryOf, 1.25},
			{"memory of the import of all lines ≤ 1.25 × of a tenth", all[4], all[3], memoryOf, 1.25},
		},
		notes: []string{
			"an import is of new products, into an empty catalogue, by a shop that at the same time relays their events and brings them to Cassandra and Elasticsearch",
			"the memory is that of the shop's process, from its start on, at its most",
		},
	})
	return nil
}

// export reads the last products of the catalogue as the admin does, and keeps them.
func (c *catalogue) export(ctx context.Context, products int, keep string) (s *series, err error) {
	shop, err := c.start(ctx)
	if err != nil {
		return nil, err
	}
	defer shop.stop()
	after := uuid.Nil
	if skipped := len(c.goods) - products; skipped > 0 {
		after = c.goods[skipped-1].id
	}
	f, err := os.Create(keep)
	if err != nil {
		return nil, fmt.Errorf("keep the export: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	start := time.Now()
	answer, err := c.manage(ctx, shop, http.MethodGet, "/admin/products/export?after="+after.String(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	var lines lineCount
	if _, err := io.Copy(io.MultiWriter(f, &lines), answer.Body); err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	took := time.Since(start)
	if int(lines) != products {
		return nil, fmt.Errorf("export %d products: %d came", products, lines)
	}
	return moved(fmt.Sprintf("export, %s of %s", thousands(float64(products)), c), int64(products), took, peakOf(shop.pid())), nil
}

// lineCount counts the lines that are written to it.
type lineCount int

func (n *lineCount) Write(b []byte) (int, error) {
	*n += lineCount(bytes.Count(b, []byte{'\n'}))
	return len(b), nil
}

// importLines sends the first lines of the file to a shop, as many as the catalogue is to have products, and reads meanwhile what becomes of them.
func (c *catalogue) importLines(ctx context.Context, file string) (*series, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	defer func() { _ = f.Close() }()
	size, err := sizeOf(f, c.products)
	if err != nil {
		return nil, err
	}
	shop, err := c.start(ctx)
	if err != nil {
		return nil, err
	}
	defer shop.stop()
	start := time.Now()
	answer, err := c.manage(ctx, shop, http.MethodPost, "/admin/products/import", io.LimitReader(f, size))
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	var last []byte
	reports := bufio.NewScanner(answer.Body)
	for reports.Scan() {
		last = append(last[:0], reports.Bytes()...)
	}
	if err := reports.Err(); err != nil {
		return nil, fmt.Errorf("import products: %w", err)
	}
	took := time.Since(start)
	var end struct {
		Outcome string
		Created int
	}
	if err := json.Unmarshal(last, &end); err != nil || end.Outcome != "done" || end.Created != c.products {
		return nil, fmt.Errorf("import %d products: it ended with %s", c.products, last)
	}
	return moved("import, "+c.String(), int64(c.products), took, peakOf(shop.pid())), nil
}

// sizeOf is how many bytes the first lines of a file have; it is read from its beginning after that.
func sizeOf(f *os.File, lines int) (size int64, err error) {
	from := bufio.NewReaderSize(f, 1<<20)
	for range lines {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("read the export: %w", err)
		}
		size += int64(len(line))
	}
	_, err = f.Seek(0, io.SeekStart)
	return size, err
}

// manage makes a manager's request.
func (c *catalogue) manage(ctx context.Context, shop *child, method, path string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+shop.address+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Authorization", "Bearer "+c.manager)
	request.Header.Set("Content-Type", "application/x-ndjson")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer.StatusCode != http.StatusOK {
		defer func() { _ = answer.Body.Close() }()
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
		return nil, fmt.Errorf("%s %s: answered %d: %s", method, path, answer.StatusCode, said)
	}
	return answer, nil
}
