package main

import (
	"context"
	"image"
	"image/png"
	"maps"
	"mime/multipart"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// managers is how many there are: one packs and ships, one takes goods in, one looks after the money, one after the bus, one after
// people, one is bad.
const managers = 6

// manager serves the crowd, and keeps whoever takes the money from being too reliable.
type manager struct{ visitor }

// fulfil brings some orders on their way, cancels a few, and takes goods back.
func (m *manager) fulfil() {
	for _, state := range []string{"shipping", "preparing", "paid"} {
		found := m.askOnce("find", "GET", "/admin/orders?limit=10&state="+state)
		m.expect("find", found, 200)
		for _, o := range found.items() {
			if m.load.stopping.Load() {
				return
			}
			id, _ := o["id"].(string)
			r := request{method: "POST", subject: id, op: "ship", path: "/admin/orders/" + id + "/shipments"}
			r.body = map[string]any{"carrier": "CJ대한통운", "invoice_number": "612345678901"}
			switch n := m.dice.IntN(10); {
			case n == 0: // tomorrow
				continue
			case state == "shipping":
				r.op, r.path, r.body = "deliver", "/admin/orders/"+id+"/deliveries", nil
			case n == 1:
				r = m.cancel(id)
			case state == "paid" && n < 6:
				r.op, r.path, r.body = "prepare", "/admin/orders/"+id+"/prepare", nil
			}
			a, _ := m.ask(r)
			m.expect(r.op, a, 200, 202, 409)
		}
	}
	m.takeBack()
}

// takeBack refunds goods of some orders that were shipped: a piece, or all that is left.
func (m *manager) takeBack() {
	state := []string{"shipping", "delivered", "confirmed", "confirmed"}[m.dice.IntN(4)]
	for _, o := range m.askOnce("find", "GET", "/admin/orders?limit=10&state="+state).items() {
		if m.load.stopping.Load() {
			return
		}
		if m.dice.IntN(5) > 0 {
			continue
		}
		id, _ := o["id"].(string)
		body := map[string]any{"restock": m.dice.IntN(2) == 0, "reason": "a seam came open"}
		if m.dice.IntN(3) > 0 {
			var product string
			if err := m.load.db.QueryRow(context.Background(), `SELECT product_id::text FROM ordering.order_lines WHERE order_id = $1`, id).Scan(&product); err != nil {
				m.load.complain("read a line of order %s: %s", id, err)
				continue
			}
			body["items"] = []any{map[string]any{"product_id": product, "quantity": 1}}
		}
		a, _ := m.askTwice(request{op: "refund", method: "POST", path: "/admin/orders/" + id + "/refunds", key: uuid.NewString(), subject: id, body: body})
		m.expect("refund", a, 200, 202, 409)
	}
}

func (m *manager) cancel(order string) request {
	return request{
		op: "cancel", method: "POST", path: "/admin/orders/" + order + "/cancel", key: uuid.NewString(), subject: order,
		body: map[string]any{"reason": "out of packing paper"},
	}
}

// moveStock takes hot goods in, finds others missing or broken, and gets some of what there was nothing of. Some of what came in is
// photographed.
func (m *manager) moveStock() {
	if m.dice.IntN(5) == 0 {
		m.photograph()
	}
	product, kind, quantity := m.load.hot, "receive", 5+m.dice.IntN(20)
	switch m.dice.IntN(6) {
	case 0:
		kind, quantity = "adjust", -1
	case 1:
		product, kind, quantity = m.load.others[m.dice.IntN(len(m.load.others))], "damage", 1
	case 2:
		product = m.load.others[m.dice.IntN(len(m.load.others))]
	case 3:
		product = m.load.gone[m.dice.IntN(len(m.load.gone))]
	}
	a, _ := m.askTwice(request{
		op: "move", method: "POST", path: "/admin/products/" + product.id + "/stock-movements", key: uuid.NewString(), subject: product.id,
		body: map[string]any{"kind": kind, "quantity": quantity, "reason": "delivery"},
	})
	m.expect("move", a, 201, 409)
}

// photograph gives a product a picture, in place of the first that it has.
func (m *manager) photograph() {
	path := "/admin/products/" + m.load.others[m.dice.IntN(len(m.load.others))].id + "/images"
	pictures := m.askOnce("pictures", "GET", path)
	m.expect("pictures", pictures, 200)
	if before := pictures.items(); len(before) > 0 {
		id, _ := before[0]["id"].(string)
		path += "?replaces=" + id
	}
	pixels := image.NewGray(image.Rect(0, 0, 32, 32))
	for i := range pixels.Pix {
		pixels.Pix[i] = byte(m.dice.IntN(256))
	}
	var form upload
	w := multipart.NewWriter(&form.body)
	file, _ := w.CreateFormFile("file", "shoe.png")
	_ = png.Encode(file, pixels)
	_ = w.Close()
	form.contentType = w.FormDataContentType()
	a, _ := m.askTwice(request{op: "photograph", method: "POST", path: path, body: &form})
	m.expect("photograph", a, 200, 201, 404, 409)
}

// grantPoints gives somebody points, or takes some away.
func (m *manager) grantPoints() {
	someone := m.load.shoppers[m.dice.IntN(len(m.load.shoppers))].id
	a, _ := m.askTwice(request{
		op: "grant", method: "POST", path: "/admin/accounts/" + someone + "/points", key: uuid.NewString(), subject: someone,
		body: map[string]any{"points": 1000 - 1500*m.dice.IntN(2), "reason": "a late parcel"},
	})
	m.expect("grant", a, 201, 409)
}

// lookAfterMoney asks the gateway about what is not known, and again for what it refused, and audits the books.
func (m *manager) lookAfterMoney() {
	if m.load.control {
		m.meddle()
	}
	m.expect("audit", m.askOnce("audit", "GET", "/admin/audit"), 200)
	unknown := m.askOnce("unknown", "GET", "/admin/payments?limit=1&state=unknown").items()
	for _, p := range unknown {
		id, _ := p["order_id"].(string)
		m.expect("reconcile", m.askOnce("reconcile", "POST", "/admin/payments/"+id+"/reconcile"), 200)
	}
	for _, p := range m.askOnce("refund_due", "GET", "/admin/payments?limit=3&state=refund_due").items() {
		id, _ := p["order_id"].(string)
		details := m.askOnce("money", "GET", "/admin/payments/"+id)
		refunds, _ := details.Answer["refunds"].([]any)
		for _, r := range refunds {
			refund, _ := r.(map[string]any)
			if refund["state"] != "refused" || m.load.stopping.Load() {
				continue
			}
			a := m.askOnce("retry", "POST", "/admin/payments/"+id+"/refunds/"+refund["id"].(string)+"/retry")
			m.expect("retry", a, 200, 409)
			if refund["kind"] == "order" {
				m.expect("retry", a, 409)
				a, _ = m.ask(m.cancel(id))
				m.expect("cancel", a, 200, 202, 409)
			}
		}
	}
}

// lookAfterPeople gives points, moves what a tier takes, and makes drops, of which it calls each off in the end.
func (m *manager) lookAfterPeople() {
	m.grantPoints()
	switch m.dice.IntN(10) {
	case 0:
		m.exec(`UPDATE accounts.tiers SET from_won = $1, revision = revision + 1, updated_at = now() WHERE name = 'gold'`, 20_000+m.dice.IntN(50_000))
	case 1:
		now := time.Now().UTC()
		a, ok := m.ask(request{op: "drop", method: "POST", path: "/admin/preorders", fickle: true, body: map[string]any{
			"product_id": m.load.others[m.dice.IntN(len(m.load.others))].id, "title": "한정판", "quantity": 10 + m.dice.IntN(30), "per_customer": 2,
			"starts_at": now, "ends_at": now.Add(time.Hour), "releases_at": now,
		}})
		m.expect("drop", a, 201)
		if !ok || a.Status != 201 {
			return
		}
		if old := m.load.drops.add(a.text("id")); old != "" {
			a, _ := m.ask(request{op: "call off", method: "POST", path: "/admin/preorders/" + old + "/cancel", subject: old, body: map[string]any{"reason": "no leather"}})
			m.expect("call off", a, 200)
		}
	}
}

// lookAfterBus has parked events handled again, after it has seen to it that there are some.
func (m *manager) lookAfterBus() {
	if m.load.control {
		m.poison()
	}
	m.tidy()
	m.expect("bus", m.askOnce("bus", "GET", "/admin/bus"), 200)
}

// poisoned is why an event of a poisoned account is parked, and followers is why one behind it is.
const (
	poisoned  = "poisoned by the test"
	followers = "behind an earlier event of its key"
)

// droppable are the events of which shoppers are told, and nothing else follows: one that is dropped is missed by nobody's books.
var droppable = []string{"ordering.shipped.v1", "ordering.delivered.v1"}

// tidy has parked events handled again, and drops a few. Only those that the test has poisoned may be there.
func (m *manager) tidy() {
	for _, module := range slices.Sorted(maps.Keys(heard)) {
		for _, e := range m.askOnce("parked", "GET", "/admin/bus/"+module+"/parked?limit=100").parked {
			if module != "accounts" || !strings.Contains(e.Reason, poisoned) && e.Reason != followers {
				m.load.complain("%s parked %+v", module, e)
			}
			path := "/admin/bus/" + module + "/parked/" + e.EventID
			if m.load.control && slices.Contains(droppable, e.Type) && m.dice.IntN(3) == 0 {
				m.drop(e.EventID)
				m.expect("drop", m.askOnce("drop", "DELETE", path), 200, 204, 404)
				continue
			}
			m.expect("replay", m.askOnce("replay", "POST", path+"/replay"), 200, 404)
		}
	}
}

// poison makes accounts fail for some shoppers, as a release with a mistake in it does, or heals it.
func (m *manager) poison() {
	if m.dice.IntN(2) == 0 {
		m.heal()
		return
	}
	for range 10 {
		m.exec(`INSERT INTO public.poisoned VALUES ($1) ON CONFLICT DO NOTHING`, m.load.shoppers[m.dice.IntN(len(m.load.shoppers))].id)
	}
}

func (m *manager) heal() { m.exec(`DELETE FROM public.poisoned`) }

// drop notes that nobody will be told of an event.
func (m *manager) drop(event string) {
	m.exec(`INSERT INTO public.dropped VALUES ($1) ON CONFLICT DO NOTHING`, event)
}

func (m *manager) exec(sql string, args ...any) {
	if _, err := m.load.db.Exec(context.Background(), sql, args...); err != nil {
		m.load.complain("%s: %s", sql, err)
	}
}

// faults are what may go wrong at Toss without anybody waiting for it for long.
var faults = []map[string]any{
	{"path": "confirm", "kind": "after_commit_reset"},
	{"path": "confirm", "kind": "reset"},
	{"path": "confirm", "kind": "500"},
	{"path": "confirm", "kind": "429"},
	{"path": "confirm", "kind": "code", "code": "REJECT_CARD_COMPANY"},
	{"path": "cancel", "kind": "after_commit_reset"},
	{"path": "cancel", "kind": "500"},
	{"path": "cancel", "kind": "code", "code": "NOT_CANCELABLE_PAYMENT"},
}

func (m *manager) meddle() {
	_, _ = m.ask(request{op: "meddle", method: "POST", path: m.load.toss + "/toss/control/faults", body: faults[m.dice.IntN(len(faults))]})
}

// stall keeps the shop from opening payments, until somebody is told that it could not.
func (m *manager) stall() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	told := m.load.journal.unavailable()
	_ = pgx.BeginFunc(ctx, m.load.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `LOCK TABLE payments.payments IN EXCLUSIVE MODE`); err != nil {
			return err
		}
		for m.load.journal.unavailable() == told && !m.load.stopping.Load() && ctx.Err() == nil {
			<-tick.C
		}
		return nil
	})
}
