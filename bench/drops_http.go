package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	preorderPath = "/v1/preorders/"
	ordersPath   = "/orders"
)

// ordersOf is a piece of a drop for each order.
func ordersOf(drop uuid.UUID) kind {
	return kind{"drop", "one drop", func(*world, *rand.Rand) good { return good{drop: drop} }}
}

// dropOrders are slots with the orders that have them.
type dropOrders struct{ slots }

func (dropOrders) words() words {
	words := slots{}.words()
	words.one = "order"
	return words
}

// count leaves out slots that no order of the drop has.
func (dropOrders) count(ctx context.Context, conn *pgxpool.Conn, of uuid.UUID) (t tally, err error) {
	err = conn.QueryRow(ctx, `SELECT coalesce(sum(l.quantity), 0)::bigint, count(*), (SELECT reserved FROM catalog.pools WHERE id = $1)
		FROM catalog.reservation_lines l
		JOIN catalog.reservations r ON r.order_id = l.order_id AND r.state = 'held'
		JOIN ordering.orders o ON o.id = l.order_id AND o.drop_id = l.pool_id
		WHERE l.pool_id = $1`, of).Scan(&t.rows, &t.holders, &t.counted)
	if err != nil {
		return t, fmt.Errorf("count the orders: %w", err)
	}
	return t, nil
}

// dropOverHTTP compares the shop with itself when each step of an order is a transaction of its own, as for other orders.
func (w *world) dropOverHTTP(ctx context.Context, r *report) error {
	if err := w.clear(ctx, dropOrders{}); err != nil {
		return err
	}
	drop, err := w.announce(ctx, dropOrders{}, plenty)
	if err != nil {
		return err
	}
	alone, notes, err := w.search(ctx, ordersOf(drop))
	if err != nil {
		return err
	}
	for _, callers := range crowds {
		flights := alone[bestKey(ordersOf(drop), callers)]
		var ours, baseline []tally
		fmt.Printf("orders of a drop, over HTTP, %d connections ", callers)
		all, err := alternate(ctx, w.settings.Rounds, []thing{w.dropServed(callers, 0, &ours), w.dropServed(callers, flights, &baseline)})
		if err != nil {
			return err
		}
		words := dropOrders{}.words()
		r.add(table{
			id: fmt.Sprintf("drops-http-%d", callers), title: fmt.Sprintf("POST /v1/preorders/{id}/orders over HTTP, %d connections", callers),
			unit: "orders a second", series: all,
			targets: []target{aim("the shop", "baseline", all[0], all[1], 4)},
			notes:   append(notes, outcome(all[0].name, words, ours...), outcome(all[1].name, words, baseline...)),
		})
		notes = nil
	}
	return nil
}

// dropServed orders as overHTTP does, of a drop that is new, and adds what became of that.
func (w *world) dropServed(callers, flights int, tallies *[]tally) thing {
	return thing{describe(ordersOf(uuid.Nil), flights), func(ctx context.Context) (sample, error) {
		if err := w.clear(ctx, dropOrders{}); err != nil {
			return sample{}, err
		}
		drop, err := w.announce(ctx, dropOrders{}, plenty)
		if err != nil {
			return sample{}, err
		}
		found, err := w.overHTTP(ordersOf(drop), callers, flights).measure(ctx)
		if err != nil {
			return found, err
		}
		t, err := w.tally(ctx, dropOrders{}, drop, found.answered)
		*tallies = append(*tallies, t)
		return found, err
	}}
}

// dropGone orders of a drop of which nothing is left.
func (w *world) dropGone(ctx context.Context, r *report) error {
	drop, err := w.soldOut(ctx, slots{})
	if err != nil {
		return err
	}
	path := preorderPath + drop.String() + ordersPath
	return w.gone(ctx, r, late{
		table: table{
			id: "drops-gone", title: fmt.Sprintf("POST /v1/preorders/{id}/orders when nothing is left, %d connections", latter),
			notes: []string{"every answer is 409; the shop has looked for an order with the key before"},
		},
		path: preorderPath + "{id}" + ordersPath,
		request: func(p person) []byte {
			return appendPost(nil, path, p.token, nextKey(), fmt.Appendf(nil, `{"quantity":1,"address_id":"%s"}`, p.address))
		},
		status: func(int) int { return http.StatusConflict },
	})
}
