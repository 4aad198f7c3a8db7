package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"maps"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

// good is a request that succeeds, once: what it is about was made for it.
type good struct {
	as     person
	path   map[string]string // by the parameter's name
	query  string
	header map[string]string
	body   any // nil: none
	raw    []byte

	foreign string // a parameter of the path that names what belongs to the person
}

// place is the path of an operation with these parameters, escaped as they are.
func place(op web.Operation, parameters map[string]string) string {
	path := op.Path
	for name, value := range parameters {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}

// request is the good request, as it is sent.
func (g good) request(t testing.TB, op web.Operation) asked {
	t.Helper()
	q := asked{Method: op.Method, Path: place(op, g.path) + g.query, Token: g.as.Access, Header: maps.Clone(g.header), Body: g.raw}
	if q.Header == nil {
		q.Header = map[string]string{}
	}
	if op.Idempotent {
		q.Header["Idempotency-Key"] = uuid.NewString()
	}
	if g.body != nil {
		q.Body = encode(t, g.body)
	}
	return q
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// stage makes what requests are about.
type stage struct {
	*inProcess

	boss      person // an admin
	admin2    person // another one, so that the boss is never the last
	manager   person
	stranger  person // to whom nothing belongs that requests are about
	product   string // published, with stock
	category  string
	campaigns int
	slugs     int
	pictures  int
	waiting   string // the name of a room in which everyone waits
}

func newStage(t *testing.T, s *inProcess) *stage {
	st := &stage{inProcess: s, boss: s.admin(t)}
	st.admin2, st.manager, st.stranger = s.withRole(t, auth.Admin), s.withRole(t, auth.Manager), s.shopper(t)
	st.category = st.newCategory(t)
	st.product = st.newProduct(t)
	return st
}

const price = 12_900

func (s *stage) newCategory(t testing.TB) string {
	t.Helper()
	s.slugs++
	return s.want(t, 201, s.boss.Access, "POST", "/admin/categories", map[string]any{"slug": fmt.Sprintf("category-%d", s.slugs), "name": "신발"}).field("id").(string)
}

func (s *stage) newProduct(t testing.TB) string {
	t.Helper()
	id := s.want(t, 201, s.boss.Access, "POST", "/admin/products", map[string]any{
		"category_id": s.category, "name": "러닝 운동화", "brand": "나이키", "list_price_won": price, "price_won": price,
	}).field("id").(string)
	s.want(t, 201, s.boss.Access, "POST", "/admin/products/"+id+"/stock-movements",
		map[string]any{"kind": "receive", "quantity": 1000, "reason": "delivery"}, "Idempotency-Key", uuid.NewString())
	s.want(t, 200, s.boss.Access, "POST", "/admin/products/"+id+"/publish", nil)
	return id
}

// newImage adds a picture to a product.
func (s *stage) newImage(t testing.TB, product string) string {
	t.Helper()
	form, header := s.pictureForm(t)
	a := s.ask(t, asked{Method: "POST", Path: "/admin/products/" + product + "/images", Token: s.boss.Access, Header: header, Body: form})
	require.Equal(t, 201, a.Status, a)
	return a.field("id").(string)
}

// pictureForm is an upload of a picture that there was not yet.
func (s *stage) pictureForm(t testing.TB) (form []byte, header map[string]string) {
	t.Helper()
	s.pictures++
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	file, err := w.CreateFormFile("file", "shoe.png")
	require.NoError(t, err)
	p := image.NewGray(image.Rect(0, 0, 64, 64))
	p.Pix[s.pictures] = 255
	require.NoError(t, png.Encode(file, p))
	require.NoError(t, w.Close())
	return b.Bytes(), map[string]string{"Content-Type": w.FormDataContentType()}
}

// newRoom makes a waiting room that is off.
func (s *stage) newRoom(t testing.TB) (name, etag string) {
	t.Helper()
	id := s.newCampaign(t)
	a := s.want(t, 201, s.boss.Access, "POST", "/admin/rooms", map[string]any{"name": id, "capacity": 0, "goods": map[string]any{"kind": "coupon", "id": id}})
	return id, a.field("etag").(string)
}

// room is a waiting room in which everyone waits.
func (s *stage) room(t testing.TB) string {
	t.Helper()
	if s.waiting == "" {
		name, etag := s.newRoom(t)
		s.want(t, 200, s.boss.Access, "PUT", "/admin/rooms/"+name, map[string]any{"mode": "on", "capacity": 0}, "If-Match", etag)
		s.waiting = name
	}
	return s.waiting
}

func (s *stage) newCampaign(t testing.TB) string {
	t.Helper()
	s.campaigns++
	return s.want(t, 201, s.boss.Access, "POST", "/admin/coupons", map[string]any{
		"name": fmt.Sprintf("Coupon %d", s.campaigns), "quantity": 100, "discount": map[string]any{"amount_won": 1000},
		"starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(time.Hour).UTC(),
	}).field("id").(string)
}

// newCode is a code that is had with a coupon of its own.
func (s *stage) newCode(t testing.TB) (campaign, code string) {
	t.Helper()
	s.campaigns++
	code = fmt.Sprintf("CODE-%d", s.campaigns)
	return s.want(t, 201, s.boss.Access, "POST", "/admin/coupons", map[string]any{
		"name": fmt.Sprintf("Coupon %d", s.campaigns), "quantity": 100, "discount": map[string]any{"amount_won": 1000},
		"kind": "code", "codes": []any{code},
		"starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(time.Hour).UTC(),
	}).field("id").(string), code
}

func (s *stage) newEvent(t testing.TB) string {
	t.Helper()
	return s.want(t, 201, s.boss.Access, "POST", "/admin/events", map[string]any{
		"title": "Spring sale", "starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(time.Hour).UTC(),
	}).field("id").(string)
}

func (s *stage) newPreorder(t testing.TB) string {
	t.Helper()
	return s.want(t, 201, s.boss.Access, "POST", "/admin/preorders", s.preorderOf(s.product)).field("id").(string)
}

// preorderOf is a pre-order that is open.
func (s *stage) preorderOf(product string) map[string]any {
	at := func(d time.Duration) time.Time { return time.Now().Add(d).UTC().Truncate(time.Millisecond) }
	return map[string]any{
		"product_id": product, "title": "한정판", "quantity": 3, "per_customer": 2, "starts_at": at(-time.Hour), "ends_at": at(time.Hour), "releases_at": at(0),
	}
}

func (s *stage) newAddress(t testing.TB, of person) string {
	t.Helper()
	return s.want(t, 201, of.Access, "POST", "/v1/me/addresses", map[string]any{
		"alias": "집", "recipient": "김지은", "phone": "010-1234-5678", "zipcode": "04524", "line1": "서울특별시 중구 세종대로 110",
	}).field("id").(string)
}

// order is an order of a shopper who has no other.
type order struct {
	id, number, address string
	amount              float64
	by                  person
	payment             map[string]any // the body of a confirmation
}

func (s *stage) placed(t testing.TB) order {
	t.Helper()
	o := order{by: s.shopper(t)}
	o.address = s.newAddress(t, o.by)
	a := s.want(t, 201, o.by.Access, "POST", "/v1/orders", s.orderOf(o.address), "Idempotency-Key", "place")
	o.id, o.number, o.amount = a.field("id").(string), a.field("number").(string), a.field("due_won").(float64)
	return o
}

// reduced is an order with a coupon and points, paid.
func (s *stage) reduced(t testing.TB) order {
	t.Helper()
	o := order{by: s.shopper(t)}
	o.address = s.newAddress(t, o.by)
	s.want(t, 201, s.boss.Access, "POST", "/admin/accounts/"+o.by.ID+"/points", map[string]any{"points": 700, "reason": "sorry"}, "Idempotency-Key", uuid.NewString())
	body := s.orderOf(o.address)
	body["coupon_id"] = s.want(t, 201, o.by.Access, "POST", "/v1/coupons/"+s.newCampaign(t)+"/claims", nil).field("id")
	body["points_won"] = 500
	a := s.want(t, 201, o.by.Access, "POST", "/v1/orders", body, "Idempotency-Key", "place")
	o.id, o.number, o.amount = a.field("id").(string), a.field("number").(string), a.field("due_won").(float64)
	require.Positive(t, a.field("discount_won"))
	s.pay(t, &o)
	return o
}

// preordered is an order of a drop, paid.
func (s *stage) preordered(t testing.TB) order {
	t.Helper()
	o := order{by: s.shopper(t)}
	o.address = s.newAddress(t, o.by)
	a := s.want(t, 201, o.by.Access, "POST", "/v1/preorders/"+s.newPreorder(t)+"/orders", map[string]any{"quantity": 1, "address_id": o.address}, "Idempotency-Key", "place")
	o.id, o.number, o.amount = a.field("id").(string), a.field("number").(string), a.field("due_won").(float64)
	s.pay(t, &o)
	return o
}

// pay clicks "pay", and has the shop take the money.
func (s *stage) pay(t testing.TB, o *order) {
	t.Helper()
	a := s.want(t, 200, "", "POST", "/toss/pay/"+o.number+"/authorize", map[string]any{"method": "카드"})
	o.payment = map[string]any{"payment_key": a.field("paymentKey"), "order_number": o.number, "amount_won": o.amount}
	s.want(t, 200, o.by.Access, "POST", "/v1/payments/confirm", o.payment, "Idempotency-Key", "confirm")
}

func (s *stage) orderOf(address string) map[string]any {
	return map[string]any{
		"items":      []any{map[string]any{"product_id": s.product, "quantity": 1, "expected_price_won": price}},
		"address_id": address,
	}
}

// authorized is an order that somebody has clicked "pay" for.
func (s *stage) authorized(t testing.TB) order {
	t.Helper()
	o := s.placed(t)
	a := s.want(t, 200, "", "POST", "/toss/pay/"+o.number+"/authorize", map[string]any{"method": "카드"})
	o.payment = map[string]any{"payment_key": a.field("paymentKey"), "order_number": o.number, "amount_won": o.amount}
	return o
}

func (s *stage) paid(t testing.TB) order {
	t.Helper()
	o := s.authorized(t)
	s.want(t, 200, o.by.Access, "POST", "/v1/payments/confirm", o.payment, "Idempotency-Key", "confirm")
	return o
}

func (s *stage) shipped(t testing.TB) order {
	t.Helper()
	o := s.paid(t)
	s.want(t, 200, s.boss.Access, "POST", "/admin/orders/"+o.id+"/shipments", map[string]any{"carrier": "CJ대한통운", "invoice_number": "612345678901"})
	return o
}

func (s *stage) delivered(t testing.TB) order {
	t.Helper()
	o := s.shipped(t)
	s.want(t, 200, s.boss.Access, "POST", "/admin/orders/"+o.id+"/deliveries", nil)
	return o
}

// refused is an order with a refund of stray money that Toss has refused, and the refund.
func (s *stage) refused(t testing.TB) (orderID, refundID string) {
	t.Helper()
	o := s.paid(t)
	refundID = uuid.NewString()
	_, err := s.pool.Exec(t.Context(), `
		INSERT INTO payments.refunds (id, order_id, attempt_id, kind, state, amount_won, reason, code, requested_at, done_at, next_at)
		SELECT $1, order_id, attempt_id, 'stray', 'refused', amount_won, 'a test', 'NOT_CANCELABLE_PAYMENT', now(), now(), now()
		FROM payments.payments WHERE order_id = $2`, refundID, o.id)
	require.NoError(t, err)
	return o.id, refundID
}

// parked is an event that catalog could not handle.
func (s *stage) parked(t testing.TB) (eventID string) {
	t.Helper()
	eventID = uuid.NewString()
	key := uuid.NewString()
	_, err := s.pool.Exec(t.Context(), `
		INSERT INTO catalog.parked (event_id, source, type, key, aggregate_version, occurred_at, data, reason)
		VALUES ($1, 'ordering', 'ordering.paid.v1', $2, 1, now(), '\x00ff', 'it is no JSON')`, eventID, key)
	require.NoError(t, err)
	_, err = s.pool.Exec(t.Context(), `INSERT INTO catalog.parked_keys (source, key) VALUES ('ordering', $1)`, key)
	require.NoError(t, err)
	return eventID
}

// goods says, of each operation whose request is more than its example, how a good one is made.
var goods = map[string]func(t testing.TB, s *stage) good{
	"sign-up": func(_ testing.TB, s *stage) good {
		s.accounts++
		return good{body: map[string]any{"email": fmt.Sprintf("new-%d@example.com", s.accounts), "password": "a long password", "name": "김지은"}}
	},
	"sign-in": func(t testing.TB, s *stage) good {
		p := s.shopper(t)
		return good{body: map[string]any{"email": p.Email, "password": p.Password}}
	},
	"refresh-session": func(t testing.TB, s *stage) good {
		return good{body: map[string]any{"refresh_token": s.shopper(t).Refresh}}
	},
	"sign-out": func(t testing.TB, s *stage) good {
		return good{body: map[string]any{"refresh_token": s.shopper(t).Refresh}}
	},
	"change-password": func(t testing.TB, s *stage) good {
		p := s.shopper(t)
		return good{as: p, body: map[string]any{"current_password": p.Password, "new_password": "another long password"}}
	},
	"read-notifications": func(t testing.TB, s *stage) good {
		return good{body: map[string]any{"up_to": uuid.Must(uuid.NewV7()).String()}}
	},
	"set-tier": func(t testing.TB, s *stage) good {
		var tiers struct {
			Items []struct {
				Name, ETag   string
				FromWon      int64 `json:"from_won"`
				EarnPermille int64 `json:"earn_permille"`
			}
		}
		require.NoError(t, json.Unmarshal(s.want(t, 200, s.boss.Access, "GET", "/admin/tiers", nil).Body, &tiers))
		best := tiers.Items[len(tiers.Items)-1]
		return good{
			path: map[string]string{"name": best.Name}, header: map[string]string{"If-Match": best.ETag},
			body: map[string]any{"from_won": best.FromWon, "earn_permille": best.EarnPermille},
		}
	},
	"set-account-role": func(t testing.TB, s *stage) good {
		return good{path: map[string]string{"id": s.shopper(t).ID}, body: map[string]any{"role": "shopper"}}
	},

	"put-cart-item":    func(t testing.TB, s *stage) good { return good{path: map[string]string{"product_id": s.product}} },
	"remove-cart-item": func(t testing.TB, s *stage) good { return good{path: map[string]string{"product_id": s.product}} },
	"place-order": func(t testing.TB, s *stage) good {
		p := s.shopper(t)
		return good{as: p, body: s.orderOf(s.newAddress(t, p))}
	},
	"place-preorder": func(t testing.TB, s *stage) good {
		p := s.shopper(t)
		return good{as: p, body: map[string]any{"quantity": 1, "address_id": s.newAddress(t, p)}}
	},
	"create-preorder": func(_ testing.TB, s *stage) good { return good{body: s.preorderOf(s.product)} },
	"edit-preorder": func(t testing.TB, s *stage) good {
		body := s.preorderOf("")
		delete(body, "product_id")
		return good{path: map[string]string{"id": s.newPreorder(t)}, body: body}
	},
	"show-order": func(t testing.TB, s *stage) good { return ofOrder(s.placed(t), nil) },
	"cancel-order": func(t testing.TB, s *stage) good {
		return ofOrder(s.placed(t), map[string]any{"reason": "changed my mind"})
	},
	"change-order-address": func(t testing.TB, s *stage) good {
		o := s.paid(t)
		return ofOrder(o, map[string]any{"address_id": s.newAddress(t, o.by)})
	},
	"confirm-receipt":   func(t testing.TB, s *stage) good { return ofOrder(s.delivered(t), nil) },
	"get-order-payment": func(t testing.TB, s *stage) good { return ofOrder(s.paid(t), nil) },
	"confirm-payment": func(t testing.TB, s *stage) good {
		o := s.authorized(t)
		return good{as: o.by, body: o.payment}
	},

	"inspect-order": func(t testing.TB, s *stage) good { return byManager("id", s.paid(t).id) },
	"prepare-order": func(t testing.TB, s *stage) good { return byManager("id", s.paid(t).id) },
	"ship-order":    func(t testing.TB, s *stage) good { return byManager("id", s.paid(t).id) },
	"deliver-order": func(t testing.TB, s *stage) good { return byManager("id", s.shipped(t).id) },
	"refund-order": func(t testing.TB, s *stage) good {
		return good{path: map[string]string{"id": s.shipped(t).id}, body: map[string]any{"restock": true, "reason": "a seam came open"}}
	},
	"cancel-order-for-shopper": func(t testing.TB, s *stage) good { return byManager("id", s.paid(t).id) },
	"get-payment":              func(t testing.TB, s *stage) good { return byManager("order_id", s.paid(t).id) },
	"reconcile-payment":        func(t testing.TB, s *stage) good { return byManager("order_id", s.paid(t).id) },
	"retry-refund": func(t testing.TB, s *stage) good {
		orderID, refundID := s.refused(t)
		return good{path: map[string]string{"order_id": orderID, "refund_id": refundID}}
	},

	"list-products":    func(testing.TB, *stage) good { return good{query: "?q=%EB%82%98%EC%9D%B4%ED%82%A4&limit=2"} },
	"suggest-products": func(testing.TB, *stage) good { return good{query: "?q=%EB%82%98"} },
	"create-product": func(_ testing.TB, s *stage) good {
		return good{body: map[string]any{
			"category_id": s.category, "name": "러닝 운동화", "name_en": "Running Shoes", "brand": "나이키", "color": "블랙", "size": "270",
			"list_price_won": price, "price_won": price, "description": "가볍다", "tags": []any{"러닝"}, "limit_per_customer": 2,
			"publish_at": time.Now().Add(time.Hour).UTC(),
		}}
	},
	"edit-product": func(t testing.TB, s *stage) good {
		return good{
			path: map[string]string{"id": s.newProduct(t)},
			body: map[string]any{
				"category_id": s.category, "name": "러닝화", "name_en": "Runners", "brand": "나이키", "color": "블랙", "size": "270",
				"list_price_won": price, "price_won": price - 1, "description": "더 가볍다", "tags": []any{"러닝"}, "limit_per_customer": 2,
			},
		}
	},
	"import-products": func(t testing.TB, s *stage) good {
		return good{header: map[string]string{"Content-Type": "application/x-ndjson"}, raw: encode(t, map[string]any{
			"id": uuid.NewString(), "category_id": s.category, "name": "러닝 운동화", "brand": "나이키", "list_price_won": price, "price_won": price,
		})}
	},
	"add-restock-alert": func(t testing.TB, s *stage) good {
		id := s.newProduct(t)
		s.want(t, 200, s.manager.Access, "POST", "/admin/products/"+id+"/stop-sale", nil)
		return good{path: map[string]string{"id": id}}
	},
	"add-product-image": func(t testing.TB, s *stage) good {
		form, header := s.pictureForm(t)
		return good{raw: form, header: header}
	},
	"order-product-images": func(t testing.TB, s *stage) good {
		product := s.newProduct(t)
		return good{path: map[string]string{"id": product}, body: map[string]any{"image_ids": []any{s.newImage(t, product)}}}
	},
	"remove-product-image": func(t testing.TB, s *stage) good {
		product := s.newProduct(t)
		return good{path: map[string]string{"id": product, "image_id": s.newImage(t, product)}}
	},
	"create-category": func(_ testing.TB, s *stage) good {
		s.slugs++
		return good{body: map[string]any{"parent_id": s.category, "slug": fmt.Sprintf("category-%d", s.slugs), "name": "운동화", "name_en": "Sneakers", "position": 1}}
	},
	"edit-category": func(t testing.TB, s *stage) good {
		s.slugs++
		return good{
			path: map[string]string{"id": s.newCategory(t)},
			body: map[string]any{"parent_id": s.category, "slug": fmt.Sprintf("category-%d", s.slugs), "name": "구두", "name_en": "Shoes", "position": 2},
		}
	},
	"create-coupon": func(t testing.TB, s *stage) good {
		s.campaigns++
		return good{body: map[string]any{
			"name": "A coupon", "description": "For everyone.", "quantity": 100, "kind": "code", "codes": []any{fmt.Sprintf("CODE-%d", s.campaigns)},
			"event_id": s.newEvent(t),
			"discount": map[string]any{
				"percent": 10, "cap_won": 5000, "minimum_won": 20000, "applies_to": "category", "applies_ids": []any{s.category},
			},
			"starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(time.Hour).UTC(), "usable_until": time.Now().Add(2 * time.Hour).UTC(),
		}}
	},
	"edit-coupon": func(t testing.TB, s *stage) good {
		return good{path: map[string]string{"id": s.newCampaign(t)}, body: map[string]any{
			"name": "A better coupon", "description": "For everyone.", "quantity": 200,
			"starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(2 * time.Hour).UTC(),
			"usable_until": time.Now().AddDate(0, 0, 40).UTC(),
		}}
	},
	"add-coupon-codes": func(t testing.TB, s *stage) good {
		campaign, code := s.newCode(t)
		return good{path: map[string]string{"id": campaign}, body: map[string]any{"codes": []any{code, code + "-B"}}}
	},
	"claim-coupon-by-code": func(t testing.TB, s *stage) good {
		_, code := s.newCode(t)
		return good{body: map[string]any{"code": code}}
	},
	"edit-event": func(t testing.TB, s *stage) good {
		return good{path: map[string]string{"id": s.newEvent(t)}, body: map[string]any{
			"title": "A better sale", "description": "For everyone.", "image_url": "https://images.example.com/sale.jpg",
			"starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(2 * time.Hour).UTC(),
		}}
	},
	"create-room": func(t testing.TB, s *stage) good {
		id := s.newCampaign(t)
		return good{body: map[string]any{"name": "sale-" + id, "capacity": 10, "goods": map[string]any{"kind": "coupon", "id": id}}}
	},
	"remove-room": func(t testing.TB, s *stage) good {
		room, etag := s.newRoom(t)
		return good{path: map[string]string{"room": room}, header: map[string]string{"If-Match": etag}}
	},
	"change-room": func(t testing.TB, s *stage) good {
		room, etag := s.newRoom(t)
		return good{
			path: map[string]string{"room": room}, header: map[string]string{"If-Match": etag},
			body: map[string]any{"mode": "on", "capacity": 1000, "opens_at": time.Now().Add(time.Hour).UTC()},
		}
	},
	"turn-switch": func(testing.TB, *stage) good {
		return good{path: map[string]string{"name": "read_only"}, body: map[string]any{"enabled": false, "reason": "a test"}}
	},

	"list-parked-events": func(testing.TB, *stage) good { return good{path: map[string]string{"module": "catalog"}} },
	"get-parked-event":   ofParked, "replay-parked-event": ofParked, "drop-parked-event": ofParked,

	"receive-toss-webhook": func(t testing.TB, s *stage) good {
		o := s.authorized(t)
		return good{
			header: map[string]string{"Tosspayments-Webhook-Transmission-Id": uuid.NewString()},
			raw: encode(t, map[string]any{
				"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-01-02T12:04:05.678901",
				"data": map[string]any{"paymentKey": o.payment["payment_key"], "orderId": o.number, "status": "DONE"},
			}),
		}
	},
}

func ofOrder(o order, body any) good {
	return good{as: o.by, path: map[string]string{"id": o.id}, body: body, foreign: "id"}
}

func byManager(parameter, id string) good { return good{path: map[string]string{parameter: id}} }

func ofParked(t testing.TB, s *stage) good {
	return good{path: map[string]string{"module": "catalog", "event_id": s.parked(t)}}
}

// subjects say what a path's parameter names, by how the path begins; the longest counts.
var subjects = []struct {
	prefix string
	id     func(t testing.TB, s *stage, g *good) string
}{
	{"/v1/me/addresses/{id}", func(t testing.TB, s *stage, g *good) string {
		g.as, g.foreign = s.shopper(t), "id"
		return s.newAddress(t, g.as)
	}},
	{"/v1/products/{id}", func(_ testing.TB, s *stage, _ *good) string { return s.product }},
	{"/admin/products/{id}", func(t testing.TB, s *stage, _ *good) string { return s.newProduct(t) }},
	{"/admin/categories/{id}", func(t testing.TB, s *stage, _ *good) string { return s.newCategory(t) }},
	{"/v1/coupons/{id}", func(t testing.TB, s *stage, _ *good) string { return s.newCampaign(t) }},
	{"/admin/coupons/{id}", func(t testing.TB, s *stage, _ *good) string { return s.newCampaign(t) }},
	{"/v1/preorders/{id}", func(t testing.TB, s *stage, _ *good) string { return s.newPreorder(t) }},
	{"/admin/preorders/{id}", func(t testing.TB, s *stage, _ *good) string { return s.newPreorder(t) }},
	{"/v1/events/{id}", func(t testing.TB, s *stage, _ *good) string { return s.newEvent(t) }},
	{"/admin/events/{id}", func(t testing.TB, s *stage, _ *good) string { return s.newEvent(t) }},
	{"/admin/accounts/{id}", func(t testing.TB, s *stage, _ *good) string { return s.shopper(t).ID }},
	{"/v1/queue/rooms/{room}", func(t testing.TB, s *stage, _ *good) string { return s.room(t) }},
	{"/v1/queue/rooms/{room}/tickets/{ticket}", func(t testing.TB, s *stage, g *good) string {
		g.as, g.foreign = s.shopper(t), "ticket"
		return s.want(t, 200, g.as.Access, "POST", "/v1/queue/rooms/"+s.room(t)+"/tickets", nil).field("ticket").(string)
	}},
	{"/admin/rooms/{room}", func(t testing.TB, s *stage, _ *good) string { return s.room(t) }},
	{"/admin/rooms/{room}/places/{account_id}", func(t testing.TB, s *stage, _ *good) string { return s.shopper(t).ID }},
}

// good makes a request that succeeds: what goods says, and for the rest the operation's own examples.
func (s *stage) good(t testing.TB, op web.Operation) good {
	t.Helper()
	var g good
	if make := goods[op.ID]; make != nil {
		g = make(t, s)
	}
	if g.path == nil {
		g.path = map[string]string{}
	}
	for _, p := range op.Spec().Parameters {
		if p.In != "path" || g.path[p.Name] != "" {
			continue
		}
		for _, subject := range subjects {
			if strings.HasPrefix(op.Path, subject.prefix) && strings.HasSuffix(subject.prefix, "{"+p.Name+"}") {
				g.path[p.Name] = subject.id(t, s, &g)
			}
		}
		require.NotEmpty(t, g.path[p.Name], "say in stage_test.go what {%s} of %s %s names", p.Name, op.Method, op.Path)
	}
	if g.as.Access == "" {
		switch op.Role {
		case auth.None:
		case auth.Shopper:
			g.as = s.shopper(t)
		case auth.Manager:
			g.as = s.manager
		case auth.Admin:
			g.as = s.admin2
		}
	}
	if schema := bodySchema(op); schema != nil && g.body == nil {
		g.body = s.api.Example(schema)
	}
	if hasParameter(op, "header", "If-Match") && g.header["If-Match"] == "" {
		path, _, _ := strings.Cut(op.Path, "}")
		tag := s.want(t, 200, s.manager.Access, "GET", place(web.Operation{Path: path + "}"}, g.path), nil).Header.Get("ETag")
		require.NotEmpty(t, tag, op.ID)
		g.header = map[string]string{"If-Match": tag}
	}
	return g
}
