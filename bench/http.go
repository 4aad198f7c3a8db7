package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/google/uuid"
)

// ordersOverHTTP places orders over connections, with a token, at a shop in another process that does all that the binary does: it
// relays its events and runs its jobs while it is measured. Each measurement has a process of its own.
func (w *world) ordersOverHTTP(ctx context.Context, r *report, alone best) error {
	for _, callers := range crowds {
		var things []thing
		for _, k := range []kind{hot, spread} {
			for _, flights := range []int{0, alone[bestKey(k, callers)]} {
				things = append(things, w.overHTTP(k, callers, flights))
			}
		}
		fmt.Printf("orders, over HTTP, %d connections ", callers)
		all, err := alternate(ctx, w.settings.Rounds, things)
		if err != nil {
			return err
		}
		r.add(table{
			id: fmt.Sprintf("orders-http-%d", callers), title: fmt.Sprintf("POST /v1/orders over HTTP, %d connections", callers), unit: "orders a second",
			series: all,
			targets: []target{
				{"hot ≥ 4 × baseline", all[0], all[1], 4},
				{"hot, beside spread", all[0], all[2], 0},
				{"spread, beside the baseline", all[2], all[3], 0},
			},
		})
	}
	return nil
}

func (w *world) overHTTP(k kind, callers, flights int) thing {
	name := describe(k, flights)
	return thing{name, func(ctx context.Context) (sample, error) {
		if err := w.forget(ctx); err != nil {
			return sample{}, err
		}
		arguments := []string{"shop", "--database", w.url, "--folder", w.folder, "--log", filepath.Join(w.folder, "http.log")}
		if flights > 0 {
			arguments = append(arguments, "--shards", strconv.Itoa(flights), "--max-batch", "1", "--conns", strconv.Itoa(flights+spare))
		}
		shop, err := startChild(ctx, arguments...)
		if err != nil {
			return sample{}, err
		}
		defer shop.stop()
		if err := w.introduce(shop.address); err != nil {
			return sample{}, err
		}
		profiled := shop.profile(w.settings.Profile, fmt.Sprintf("over HTTP %s %d", name, callers), w.settings.Warm+w.settings.Run)
		s, err := w.post(shop, k, callers).measure(ctx, w.settings)
		if err != nil {
			return s, err
		}
		return s, profiled()
	}}
}

// post is a connection over which one order after the other is placed, each by the next person.
func (w *world) post(shop *child, k kind, callers int) load {
	return load{callers: callers, server: []int{shop.pid()}, postmaster: w.postmaster, caller: func(n int) (func(context.Context) error, func(), error) {
		conn, err := dial(shop.address)
		if err != nil {
			return nil, nil, err
		}
		dice := rand.New(rand.NewPCG(uint64(n), 3))
		next := n
		var request, body []byte
		return func(context.Context) error {
			buyer, g := w.people[next%len(w.people)], k.pick(w, dice)
			next += callers
			path := "/v1/orders"
			if g.drop != uuid.Nil {
				path = preorderPath + g.drop.String() + ordersPath
				body = fmt.Appendf(body[:0], `{"quantity":1,"address_id":"%s"}`, buyer.address)
			} else {
				body = fmt.Appendf(body[:0], `{"items":[{"product_id":"%s","quantity":1,"expected_price_won":%d}],"address_id":"%s"}`, g.id, g.priceWon, buyer.address)
			}
			request = appendPost(request[:0], path, buyer.token, nextKey(), body)
			return conn.expect(http.StatusCreated, request)
		}, conn.close, nil
	}}
}

func appendPost(request []byte, path, token, key string, body []byte) []byte {
	return fmt.Appendf(request, "POST %s HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench\r\nAuthorization: Bearer %s\r\n"+
		"Idempotency-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, token, key, len(body), body)
}

// introduce shows the shop every token once: people who buy have looked around before.
func (w *world) introduce(address string) error {
	return askEach(address, len(w.people), func(i int) []byte {
		return []byte("GET " + productPath + w.goods[i%len(w.goods)].id.String() + " HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Bearer " + w.people[i].token + "\r\n\r\n")
	})
}

// askEach makes n requests, some at once.
func askEach(address string, n int, request func(i int) []byte) error {
	const doors = 16
	var wg sync.WaitGroup
	errs := make([]error, doors)
	for door := range doors {
		wg.Go(func() {
			conn, err := dial(address)
			if err != nil {
				errs[door] = err
				return
			}
			defer conn.close()
			for i := door; i < n && errs[door] == nil; i += doors {
				errs[door] = conn.expect(http.StatusOK, request(i))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("look around: %w", err)
		}
	}
	return nil
}
