package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sasapick/shop/internal/platform/clock"
)

const (
	productPath = "/v1/products/"
	readers     = 64 // connections
)

// measureReads compares the details of products with a bare handler that sends the same bytes under the same headers.
func measureReads(ctx context.Context, w *world, r *report) error {
	shop, err := startChild(ctx, "shop", "--database", w.url, "--folder", w.folder, "--log", filepath.Join(w.folder, "reads.log"))
	if err != nil {
		return err
	}
	defer shop.stop()
	answers := filepath.Join(w.folder, "answers.json")
	if err := copyAnswers(shop.address, w.goods, answers); err != nil {
		return err
	}
	bare, err := startChild(ctx, "bare", "--answers", answers)
	if err != nil {
		return err
	}
	defer bare.stop()

	rest, err := w.atRest(ctx, shop)
	if err != nil {
		return err
	}
	fmt.Print("details ")
	all, err := alternate(ctx, w.settings.Rounds, []thing{
		w.read("the shop, one product", shop, w.goods[:1], uniform), w.read("bare chi, one product", bare, w.goods[:1], uniform),
		w.read("the shop, 10,000 products", shop, w.goods, uniform), w.read("bare chi, 10,000 products", bare, w.goods, uniform),
	})
	if err != nil {
		return err
	}
	r.add(table{
		id: "reads", title: fmt.Sprintf("GET /v1/products/{id} over HTTP, %d connections", readers), unit: "answers a second", series: all,
		targets: []target{
			{"one product ≥ 0.5 × bare", all[0], all[1], 0.5},
			{"10,000 products ≥ 0.5 × bare", all[2], all[3], 0.5},
		},
		notes: []string{rest},
	})
	return nil
}

// A choice draws the next of n things.
type choice func(dice *rand.Rand, n int) func() int

func uniform(dice *rand.Rand, n int) func() int { return func() int { return dice.IntN(n) } }

// read asks a server for the details of one product after the other.
func (w *world) read(name string, server *child, among []good, next choice) thing {
	l := load{callers: readers, server: []int{server.pid()}, postmaster: w.postmaster, caller: func(n int) (func(context.Context) error, func(), error) {
		conn, err := dial(server.address)
		if err != nil {
			return nil, nil, err
		}
		draw := next(rand.New(rand.NewPCG(uint64(n), 1)), len(among))
		return func(context.Context) error {
			return conn.expect(http.StatusOK, get(productPath+among[draw()].id.String()))
		}, conn.close, nil
	}}
	return thing{name, func(ctx context.Context) (sample, error) {
		profiled := server.profile(w.settings.Profile, name, w.settings.Warm+w.settings.Run)
		before, err := server.asked()
		if err != nil {
			return sample{}, err
		}
		s, err := l.measure(ctx, w.settings)
		if err != nil {
			return s, err
		}
		after, err := server.asked()
		if err != nil {
			return s, err
		}
		s.asked = after - before
		return s, profiled()
	}}
}

// atRest says what the shop takes when nobody asks it anything: its relay, its consumers and its jobs look for work.
func (w *world) atRest(ctx context.Context, shop *child) (string, error) {
	before := cpuOf([]int{shop.pid()}, w.postmaster)
	if err := clock.Sleep(ctx, w.settings.Run); err != nil {
		return "", err
	}
	after := cpuOf([]int{shop.pid()}, w.postmaster)
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / w.settings.Run.Seconds() }
	note := fmt.Sprintf("at rest the shop takes %.1f %% of a core, and PostgreSQL %.1f %%", share(after.process-before.process), share(after.postgres-before.postgres))
	fmt.Println("  " + note)
	return note, nil
}

func get(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench\r\nAccept: application/json\r\n\r\n")
}

// copyAnswers asks for every product once and keeps what was answered, without what the server itself adds.
func copyAnswers(address string, goods []good, file string) error {
	conn, err := dial(address)
	if err != nil {
		return err
	}
	defer conn.close()
	answers := make([]answer, len(goods))
	for i, g := range goods {
		a := answer{Path: productPath + g.id.String(), Header: http.Header{}}
		status, body, err := conn.do(get(a.Path), func(line []byte) {
			name, value, _ := strings.Cut(string(line), ": ")
			if name != "Date" && name != "Content-Length" {
				a.Header[name] = append(a.Header[name], value)
			}
		})
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("read a product: %d %w", status, err)
		}
		a.Body = append(a.Body, body...)
		answers[i] = a
	}
	encoded, err := json.Marshal(answers)
	if err != nil {
		return fmt.Errorf("keep the answers: %w", err)
	}
	if err := os.WriteFile(file, encoded, 0o600); err != nil {
		return fmt.Errorf("keep the answers: %w", err)
	}
	return nil
}
