package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// load is a crowd that shops without a pause, and a manager who serves it.
type load struct {
	base, toss string // where the shop is, and whoever takes its money
	control    bool   // whether that can be told to fail
	http       *http.Client
	db         *pgxpool.Pool // of the superuser
	journal    journal
	shoppers   []*shopper
	managers   []*manager
	hot        ware // runs out, and comes in again
	others     []ware
	gone       []ware // of which there is mostly nothing: a shopper who asks for one finds that out late, once a second, or waits for it
	campaign   string
	drops      drops

	newcomers bool // whether there are any; each costs as much as many orders
	outages   bool // whether payments stalls

	stopping   atomic.Bool
	wg         sync.WaitGroup
	mu         sync.Mutex
	complaints []string
}

// drops are the pre-orders that were made last, the youngest last.
type drops struct {
	mu  sync.Mutex
	ids []string
}

func (d *drops) add(id string) (old string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ids = append(d.ids, id)
	if len(d.ids) > 3 {
		old, d.ids = d.ids[0], d.ids[1:]
	}
	return old
}

func (d *drops) any(dice *rand.Rand) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ids) == 0 {
		return ""
	}
	return d.ids[dice.IntN(len(d.ids))]
}

// ware is something that is sold.
type ware struct {
	id    string
	price int64
}

// complain notes what no answer of the shop's may be.
func (l *load) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.complaints = append(l.complaints, fmt.Sprintf(format, args...))
}

// start lets everybody in.
func (l *load) start() {
	l.stopping.Store(false)
	for _, s := range l.shoppers {
		l.wg.Go(func() { s.shop() })
	}
	for i, work := range []func(m *manager){(*manager).fulfil, (*manager).moveStock, (*manager).lookAfterMoney, (*manager).lookAfterBus, (*manager).lookAfterPeople} {
		l.wg.Go(func() {
			for !l.stopping.Load() {
				work(l.managers[i])
			}
		})
	}
	if l.newcomers {
		l.wg.Go(l.welcome)
	}
	if l.outages {
		l.wg.Go(func() {
			for !l.stopping.Load() {
				l.managers[managers-1].stall()
			}
		})
	}
}

// stop asks everybody to leave, and waits until each has a definite answer to what they asked last.
func (l *load) stop() {
	l.stopping.Store(true)
	l.wg.Wait()
}

// shopper buys, pays, cancels, walks away, comes back.
type shopper struct {
	visitor
	address string
	orders  []string // of which they were told
	coupon  string   // that they hold, or have used
}

func (s *shopper) shop() {
	for !s.load.stopping.Load() {
		switch n := s.dice.IntN(100); {
		case n < 3:
			a := s.askOnce("claim", "POST", "/v1/coupons/"+s.load.campaign+"/claims")
			s.expect("claim", a, 200, 201, 409)
			if a.Status < 300 && a.Status > 0 {
				s.coupon = a.text("id")
			}
		case n < 8:
			s.preorder()
		case n < 11:
			s.expect("wait", s.askOnce("wait", "POST", "/v1/products/"+s.load.gone[s.dice.IntN(len(s.load.gone))].id+"/restock-alerts"), 204, 409)
		case n < 20:
			s.lookAgain()
		default:
			s.buy()
		}
	}
}

// expect complains about an answer that the contract does not know here.
func (v *visitor) expect(what string, a told, statuses ...int) {
	if a.Status != 0 && !slices.Contains(statuses, a.Status) {
		v.load.complain("%s: %s", what, a)
	}
}

// askOnce asks for what needs neither key nor body.
func (v *visitor) askOnce(op, method, path string) told {
	a, _ := v.ask(request{op: op, method: method, path: path})
	return a
}

// askTwice sends the same request twice at once, sometimes. The answer is the better one: the other may have been refused before
// this one was kept, which binds no key.
func (v *visitor) askTwice(r request) (told, bool) {
	if v.dice.IntN(100) >= 15 {
		return v.ask(r)
	}
	var other told
	var twin bool
	var wg sync.WaitGroup
	wg.Go(func() { other, twin = v.ask(r) })
	a, ok := v.ask(r)
	wg.Wait()
	if twin && (!ok || other.Status < a.Status) {
		return other, twin
	}
	return a, ok
}

// basket is one to four products. Half of the baskets hold the hot one.
func (s *shopper) basket() (items []map[string]any) {
	add := func(g ware) {
		items = append(items, map[string]any{"product_id": g.id, "quantity": 1 + s.dice.IntN(2), "expected_price_won": g.price})
	}
	if s.dice.IntN(20) == 0 {
		add(s.load.gone[s.dice.IntN(len(s.load.gone))])
	}
	if s.dice.IntN(2) == 0 {
		add(s.load.hot)
	}
	for _, i := range s.dice.Perm(len(s.load.others))[:s.dice.IntN(3)] {
		add(s.load.others[i])
	}
	if len(items) == 0 {
		add(s.load.others[s.dice.IntN(len(s.load.others))])
	}
	s.dice.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return items
}

// preorder orders of a drop.
func (s *shopper) preorder() {
	if drop := s.load.drops.any(s.dice); drop != "" {
		s.order("/v1/preorders/"+drop+"/orders", map[string]any{"quantity": 1 + s.dice.IntN(2), "address_id": s.address})
	}
}

// buy orders what anybody can, some of it with a coupon or with points.
func (s *shopper) buy() {
	body := map[string]any{"items": s.basket(), "address_id": s.address}
	if s.coupon != "" && s.dice.IntN(3) == 0 {
		body["coupon_id"] = s.coupon
	}
	if s.dice.IntN(4) == 0 {
		body["points_won"] = 100 + s.dice.IntN(400)
	}
	s.order("/v1/orders", body)
}

// order places an order, and does with it what people do.
func (s *shopper) order(path string, body map[string]any) {
	a, ok := s.askTwice(request{op: "place", method: "POST", path: path, key: uuid.NewString(), fickle: s.dice.IntN(10) == 0, body: body})
	s.expect("place", a, 201, 409)
	switch {
	case !ok || s.load.stopping.Load():
		return
	case a.Code == "ordering.too_many_unpaid":
		s.clearUp()
		return
	case a.Status != 201:
		return
	}
	id := a.text("id")
	s.orders = append(s.orders, id)
	switch n := s.dice.IntN(100); {
	case n < 12: // leaves it to expire
	case n < 24:
		s.cancel(id)
	case n < 34:
		s.pay(a, "카드", "REJECT_CARD_COMPANY")
		if s.dice.IntN(2) == 0 && !s.load.stopping.Load() {
			s.pay(a, "카드", "")
		}
	case n < 38 && s.load.control:
		s.pay(a, "가상계좌", "")
		_, _ = s.ask(request{op: "deposit", method: "POST", path: s.load.toss + "/toss/control/deposits", body: map[string]any{"orderId": a.text("number")}})
	case n < 60:
		s.pay(a, "카드", "")
		if !s.load.stopping.Load() {
			s.cancel(id)
		}
	default:
		s.pay(a, "카드", "")
	}
}

// clearUp pays or cancels what is still to be paid.
func (s *shopper) clearUp() {
	for _, o := range s.askOnce("list", "GET", "/v1/orders?state=awaiting_payment").items() {
		if s.load.stopping.Load() {
			return
		}
		id, _ := o["id"].(string)
		if s.dice.IntN(2) == 0 {
			s.cancel(id)
		} else {
			s.pay(told{Answer: o}, "카드", "")
		}
	}
}

// pay authorises an order on the pay page, and has the shop take the money.
func (s *shopper) pay(order told, method, decline string) {
	id, number := order.text("id"), order.text("number")
	authorize := request{
		op: "authorize", method: "POST", path: s.load.toss + "/toss/pay/" + number + "/authorize", subject: id,
		body: map[string]any{"method": method, "decline": decline},
	}
	authorized, ok := s.ask(authorize)
	if authorized.Status == 404 { // the shop could not tell the emulator of it; it does so when the payment is read
		s.askOnce("payment", "GET", "/v1/orders/"+id+"/payment")
		authorized, ok = s.ask(authorize)
	}
	if !ok || authorized.Status != 200 {
		return
	}
	a, _ := s.askTwice(request{
		op: "confirm", method: "POST", path: "/v1/payments/confirm", key: uuid.NewString(), subject: id, fickle: s.dice.IntN(10) == 0,
		body: map[string]any{"payment_key": authorized.Answer["paymentKey"], "order_number": number, "amount_won": authorized.Answer["amount"]},
	})
	s.expect("confirm", a, 200, 202, 402, 409)
}

func (s *shopper) cancel(id string) {
	a, _ := s.askTwice(request{
		op: "cancel", method: "POST", path: "/v1/orders/" + id + "/cancel", key: uuid.NewString(), subject: id, fickle: s.dice.IntN(10) == 0,
		body: map[string]any{"reason": "changed my mind"},
	})
	s.expect("cancel", a, 200, 202, 409)
}

// lookAgain reads back what one was told before, and takes parcels in.
func (s *shopper) lookAgain() {
	if len(s.orders) == 0 {
		s.expect("list", s.askOnce("list", "GET", "/v1/orders"), 200)
		return
	}
	id := s.orders[s.dice.IntN(len(s.orders))]
	a, _ := s.ask(request{op: "show", method: "GET", path: "/v1/orders/" + id, subject: id})
	s.expect("show", a, 200)
	switch {
	case a.text("state") == "shipping" || a.text("state") == "delivered":
		a, _ := s.ask(request{op: "receipt", method: "POST", path: "/v1/orders/" + id + "/receipt", subject: id})
		s.expect("receipt", a, 200, 409)
	case s.dice.IntN(2) == 0:
		s.expect("payment", s.askOnce("payment", "GET", "/v1/orders/"+id+"/payment"), 200)
	default:
		s.expect("notifications", s.askOnce("notifications", "GET", "/v1/me/notifications"), 200)
	}
}
