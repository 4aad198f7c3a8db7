package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// records are what the shop's database says, as far as somebody was told of it.
type records struct {
	orders   map[string]*orderRow
	keys     map[[2]string]*orderRow   // by account and key
	attempts map[[2]string]*attemptRow // likewise
	moves    map[[2]string]*moveRow    // likewise; of goods and of points
	refunds  map[[2]string]string      // likewise; of goods that came back: the state
	coupons  map[string]string         // the account, by the coupon
	accounts map[string]bool
	ledger   map[string]money // by the order's number
}

type orderRow struct {
	ID, Number, Account, Key, State string
	DueWon, Pieces                  int64
	States                          []string // in which it was
}

type attemptRow struct{ Account, Key, State, Order, Payment string }

type moveRow struct {
	ID, Account, Key string
	Quantity         int64
}

// money is what came, and what went back.
type money struct{ Captured, Back int64 }

func readRecords(ctx context.Context, tx pgx.Tx) (b records, err error) {
	b = records{map[string]*orderRow{}, map[[2]string]*orderRow{}, map[[2]string]*attemptRow{}, map[[2]string]*moveRow{}, map[[2]string]string{}, map[string]string{}, map[string]bool{}, map[string]money{}}
	read := func(err error, sql string, keep func(row pgx.CollectableRow) error) error {
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return err
		}
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, keep(row) })
		return err
	}
	err = read(err, `
		SELECT o.id::text, o.number, o.account_id::text, o.idempotency_key, o.state, o.due_won,
			(SELECT sum(quantity)::bigint FROM ordering.order_lines WHERE order_id = o.id), (SELECT array_agg(to_state) FROM ordering.order_timeline WHERE order_id = o.id)
		FROM ordering.orders o`, func(row pgx.CollectableRow) error {
		o := &orderRow{}
		err := row.Scan(&o.ID, &o.Number, &o.Account, &o.Key, &o.State, &o.DueWon, &o.Pieces, &o.States)
		b.orders[o.ID], b.keys[[2]string{o.Account, o.Key}] = o, o
		return err
	})
	err = read(err, `
		SELECT a.account_id::text, a.idempotency_key, a.state, a.order_id::text, p.state FROM payments.attempts a JOIN payments.payments p USING (order_id)
		WHERE a.idempotency_key IS NOT NULL`, func(row pgx.CollectableRow) error {
		a := &attemptRow{}
		err := row.Scan(&a.Account, &a.Key, &a.State, &a.Order, &a.Payment)
		b.attempts[[2]string{a.Account, a.Key}] = a
		return err
	})
	err = read(err, `SELECT id::text, actor_id::text, idempotency_key, quantity FROM catalog.stock_movements WHERE idempotency_key IS NOT NULL`, func(row pgx.CollectableRow) error {
		m := &moveRow{}
		err := row.Scan(&m.ID, &m.Account, &m.Key, &m.Quantity)
		b.moves[[2]string{m.Account, m.Key}] = m
		return err
	})
	err = read(err, `SELECT id::text, actor_id::text, idempotency_key, points FROM accounts.point_entries WHERE actor_id IS NOT NULL`, func(row pgx.CollectableRow) error {
		m := &moveRow{}
		err := row.Scan(&m.ID, &m.Account, &m.Key, &m.Quantity)
		b.moves[[2]string{m.Account, m.Key}] = m
		return err
	})
	err = read(err, `SELECT asked_by::text, idempotency_key, state FROM ordering.refunds`, func(row pgx.CollectableRow) error {
		var by, key, state string
		err := row.Scan(&by, &key, &state)
		b.refunds[[2]string{by, key}] = state
		return err
	})
	err = read(err, `SELECT id::text, account_id::text FROM coupons.coupons`, func(row pgx.CollectableRow) error {
		var id, account string
		err := row.Scan(&id, &account)
		b.coupons[id] = account
		return err
	})
	err = read(err, `SELECT id::text FROM accounts.accounts`, func(row pgx.CollectableRow) error {
		var id string
		err := row.Scan(&id)
		b.accounts[id] = true
		return err
	})
	err = read(err, `
		SELECT p.order_number, coalesce(sum(l.amount_won) FILTER (WHERE l.kind = 'capture'), 0)::bigint, coalesce(sum(l.amount_won) FILTER (WHERE l.kind = 'refund'), 0)::bigint
		FROM payments.ledger l JOIN payments.payments p USING (order_id) GROUP BY 1`, func(row pgx.CollectableRow) error {
		var number string
		var m money
		err := row.Scan(&number, &m.Captured, &m.Back)
		b.ledger[number] = m
		return err
	})
	return b, err
}

// readEmulator reads from the emulator's own file what it took and gave back for each order, and how often it took.
func readEmulator(file string) (map[string]money, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	type payment struct {
		PaymentKey  string  `json:"paymentKey"`
		OrderID     string  `json:"orderId"`
		TotalAmount int64   `json:"totalAmount"`
		ApprovedAt  *string `json:"approvedAt"`
		Cancels     []struct {
			CancelAmount int64 `json:"cancelAmount"`
		} `json:"cancels"`
	}
	payments := map[string]payment{}
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // the last line may be half written
			break
		}
		if err != nil {
			return nil, err
		}
		var r struct {
			Payment *payment `json:"payment"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("read the emulator's journal: %w", err)
		}
		if r.Payment != nil {
			payments[r.Payment.PaymentKey] = *r.Payment
		}
	}
	taken := map[string]money{}
	for _, p := range payments {
		if p.ApprovedAt == nil {
			continue
		}
		m := taken[p.OrderID]
		m.Captured += p.TotalAmount
		for _, c := range p.Cancels {
			m.Back += c.CancelAmount
		}
		taken[p.OrderID] = m
	}
	return taken, nil
}

// compareMoney holds what Toss took, by its own word, against the shop's ledger. Two captures for an order would be twice its money.
func (b records) compareMoney(taken map[string]money) (wrong []string) {
	due := map[string]int64{}
	for _, o := range b.orders {
		due[o.Number] = o.DueWon
	}
	for number, m := range taken {
		if b.ledger[number] != m {
			wrong = append(wrong, fmt.Sprintf("money of %s: Toss %+v, ledger %+v", number, m, b.ledger[number]))
		}
		if m.Captured != due[number] {
			wrong = append(wrong, fmt.Sprintf("money of %s: Toss took %d for an order of %d", number, m.Captured, due[number]))
		}
	}
	for number, m := range b.ledger {
		if taken[number] != m {
			wrong = append(wrong, fmt.Sprintf("money of %s: ledger %+v, Toss %+v", number, m, taken[number]))
		}
	}
	return wrong
}

// reading goes through what the crowd was told.
type reading struct {
	records
	entries []told
	placed  map[string]bool // orders that somebody was told of
	found   int             // of those
	wrong   []string
}

func newReading(b records, entries []told) *reading {
	return &reading{records: b, entries: entries, placed: map[string]bool{}}
}

func (r *reading) complain(a told, format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...)+": "+a.String())
}

// compare holds each answer against the records.
func (r *reading) compare() []string {
	type question struct{ who, op, key string }
	named := map[question]string{} // the resource that the answers of a key name
	asked := map[question][]told{}
	for _, a := range r.entries {
		if a.Key != "" {
			asked[question{a.Who, a.Op, a.Key}] = append(asked[question{a.Who, a.Op, a.Key}], a)
		}
		if a.Status < 200 || a.Status > 299 {
			continue
		}
		if id := a.text("id") + a.text("order_id"); a.Key != "" && id != "" {
			q := question{a.Who, a.Op, a.Key}
			if first, ok := named[q]; ok && first != id {
				r.complain(a, "the key named %s before", first)
			}
			named[q] = id
		}
		r.held(a)
	}
	for q, answers := range asked {
		if q.op == "place" || q.op == "confirm" {
			r.refused(q.who, q.op, q.key, answers)
		}
	}
	for id := range r.placed {
		if r.orders[id] != nil {
			r.found++
		}
	}
	return r.wrong
}

// held looks whether a good answer is true.
func (r *reading) held(a told) {
	key := [2]string{a.Who, a.Key}
	switch a.Op {
	case "place":
		r.placed[a.text("id")] = true
		o := r.keys[key]
		switch {
		case o == nil:
			r.complain(a, "there is no order of this key")
		case o.ID != a.text("id") || o.Number != a.text("number") || float64(o.DueWon) != a.Answer["due_won"] || float64(o.Pieces) != a.Answer["pieces"]:
			r.complain(a, "the order of this key is %+v", *o)
		}
		r.was(a, a.text("id"), a.text("state"))
	case "show", "receipt", "prepare", "ship", "deliver":
		r.was(a, a.text("id"), a.text("state"))
	case "cancel":
		r.was(a, a.text("id"), a.text("state"))
		if o := r.orders[a.text("id")]; a.Status == 200 && o != nil && o.State != "canceled" {
			r.complain(a, "the order is %s", o.State)
		}
	case "refund":
		r.was(a, a.text("id"), a.text("state"))
		if state, known := r.refunds[key]; !known || a.Status == 200 && state != "done" {
			r.complain(a, "the refund of this key is %q", state)
		}
	case "list", "find":
		for _, o := range a.items() {
			id, _ := o["id"].(string)
			state, _ := o["state"].(string)
			r.was(a, id, state)
		}
	case "confirm":
		r.was(a, a.text("order_id"), a.text("state"))
		switch t := r.attempts[key]; {
		case t == nil:
			r.complain(a, "there is no attempt of this key")
		case t.Order != a.text("order_id") || a.Status == 200 && (t.State != "captured" || t.Payment != "captured"):
			r.complain(a, "the attempt of this key is %+v", *t)
		}
	case "move":
		if m := r.moves[key]; m == nil || m.ID != a.text("id") || float64(m.Quantity) != a.Answer["quantity"] {
			r.complain(a, "the movement of this key is %+v", m)
		}
	case "grant":
		if m := r.moves[key]; m == nil || m.ID != a.text("id") || float64(m.Quantity) != a.Answer["points"] {
			r.complain(a, "the entry of this key is %+v", m)
		}
	case "sign up":
		if !r.accounts[a.text("id")] {
			r.complain(a, "there is no such account")
		}
	case "claim":
		if r.coupons[a.text("id")] != a.Who {
			r.complain(a, "the coupon is not theirs")
		}
	}
}

// was looks whether an order ever was in a state that somebody was told of.
func (r *reading) was(a told, id, state string) {
	o := r.orders[id]
	if o == nil {
		r.complain(a, "there is no order %s", id)
	} else if !slices.Contains(o.States, state) {
		r.complain(a, "the order was never %s, but %v", state, o.States)
	}
}

// refused looks at a key to which the only answers were refusals: what it asked for must not live. Who had no answer and left does not know.
func (r *reading) refused(who, op, key string, answers []told) {
	last := answers[len(answers)-1]
	for _, a := range answers {
		if a.Status >= 200 && a.Status < 300 {
			return
		}
	}
	if !slices.Contains([]int{402, 409}, last.Status) || last.Code == "idempotency.in_progress" {
		return
	}
	codes := map[string]bool{}
	for _, a := range answers {
		codes[a.Code] = true
	}
	if o := r.keys[[2]string{who, key}]; op == "place" && o != nil && o.State != "rejected" {
		r.complain(last, "refused, and the order is %s (%s)", o.State, strings.Join(slices.Collect(maps.Keys(codes)), ", "))
	}
	t := r.attempts[[2]string{who, key}]
	if op == "confirm" && t != nil && (last.Status == 402 && t.State != "declined" || last.Code == "payments.order_closed" && t.Payment == "captured") {
		r.complain(last, "refused, and the attempt is %+v", *t)
	}
}

// slim is what the journal keeps of an answer: what can be compared.
func slim(answer map[string]any) map[string]any {
	kept := map[string]any{}
	for _, name := range []string{"id", "number", "state", "due_won", "order_id", "approved_at", "quantity", "points", "code", "detail", "coupon_id"} {
		if v, ok := answer[name]; ok {
			kept[name] = v
		}
	}
	list, _ := answer["items"].([]any)
	var pieces float64
	var items []any
	for _, i := range list {
		m, _ := i.(map[string]any)
		if n, ok := m["quantity"].(float64); ok {
			pieces += n
		}
		if _, err := uuid.Parse(fmt.Sprint(m["id"])); err == nil && m["state"] != nil {
			items = append(items, map[string]any{"id": m["id"], "state": m["state"]})
		}
	}
	if pieces > 0 {
		kept["pieces"] = pieces
	}
	if items != nil {
		kept["items"] = items
	}
	return kept
}
