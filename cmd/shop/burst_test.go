package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// burst is a number of requests of one account that reach the shop in one write, as HTTP/2 lets them, so that no two of them are apart by
// the way that they came. It returns how often each status was answered.
func burst(t *testing.T, p *process, b buyer, requests []request) map[int]int {
	t.Helper()
	address := strings.TrimPrefix(p.base, "http://")
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))

	var packet, fields bytes.Buffer
	packet.WriteString(http2.ClientPreface)
	framer, encoder := http2.NewFramer(&packet, conn), hpack.NewEncoder(&fields)
	require.NoError(t, framer.WriteSettings())
	for i, r := range requests {
		body, err := json.Marshal(r.body)
		require.NoError(t, err)
		if r.body == nil {
			body = nil
		}
		fields.Reset()
		for _, f := range [][2]string{
			{":method", r.method},
			{":scheme", "http"},
			{":path", r.path},
			{":authority", address},
			{"authorization", "Bearer " + b.token},
			{"content-type", "application/json"},
			{"idempotency-key", r.key},
		} {
			if f[1] != "" {
				require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
			}
		}
		stream := uint32(2*i + 1)
		require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: fields.Bytes(), EndHeaders: true, EndStream: body == nil}))
		if body != nil {
			require.NoError(t, framer.WriteData(stream, true, body))
		}
	}
	_, err = conn.Write(packet.Bytes())
	require.NoError(t, err)

	statuses, ended := map[int]int{}, 0
	decoder := hpack.NewDecoder(4096, nil)
	framer.ReadMetaHeaders = decoder
	for ended < len(requests) {
		frame, err := framer.ReadFrame()
		require.NoError(t, err)
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			status, err := strconv.Atoi(f.PseudoValue("status"))
			require.NoError(t, err)
			statuses[status]++
			if f.StreamEnded() {
				ended++
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				ended++
			}
		case *http2.GoAwayFrame, *http2.RSTStreamFrame:
			require.Fail(t, "the shop broke off", "%v", f)
		}
	}
	return statuses
}

// shopware/shopware#11245 (row 33): requests in one packet got past the limit of a voucher.
func TestBurst(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, nil)
	shop, buyers := f.shops[0], f.newBuyers(3)
	ware := f.newWares("burst", 1000)[0]
	const many = 60
	repeat := func(ask func(n int) request) (all []request) {
		for n := range many {
			all = append(all, ask(n))
		}
		return all
	}

	campaign := f.boss.want(201, "POST", "/admin/coupons", map[string]any{
		"name": "Burst", "quantity": 1000, "discount": map[string]any{"amount_won": 1000},
		"starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(time.Hour).UTC(),
	}).Body["id"].(string)
	claim := request{method: "POST", path: "/v1/coupons/" + campaign + "/claims"}
	require.Equal(t, map[int]int{201: 1, 200: many - 1}, burst(t, shop, buyers[0], repeat(func(int) request { return claim })), "one of a coupon")
	require.Equal(t, 1, f.count(`SELECT taken FROM coupons.counters WHERE campaign_id = $1`, campaign))

	coupon := f.ask(0, buyers[0], claim).text("id")
	redeem := func(n int) request {
		r := buyers[0].order(fmt.Sprintf("redeem-%d", n), ware)
		r.body.(map[string]any)["coupon_id"] = coupon
		return r
	}
	require.Equal(t, map[int]int{201: 1, 409: many - 1}, burst(t, shop, buyers[0], repeat(redeem)), "one order redeems it")
	require.Equal(t, 1, f.count(`SELECT redeemed FROM coupons.counters WHERE campaign_id = $1`, campaign))

	drop := f.boss.want(201, "POST", "/admin/preorders", map[string]any{
		"product_id": ware.id, "title": "Burst", "quantity": 500, "per_customer": 1,
		"starts_at": time.Now().Add(-time.Hour).UTC(), "ends_at": time.Now().Add(time.Hour).UTC(), "releases_at": time.Now().UTC(),
	}).Body["id"].(string)
	preorder := func(n int) request {
		return request{
			method: "POST", path: "/v1/preorders/" + drop + "/orders", key: fmt.Sprintf("drop-%d", n),
			body: map[string]any{"quantity": 1, "address_id": buyers[1].address},
		}
	}
	require.Equal(t, map[int]int{201: 1, 409: many - 1}, burst(t, shop, buyers[1], repeat(preorder)), "one piece of a drop")

	_, err := f.db.Exec(t.Context(), `INSERT INTO accounts.point_balances (account_id, balance) VALUES ($1, 500)`, buyers[2].id)
	require.NoError(t, err)
	_, err = f.db.Exec(t.Context(), `INSERT INTO accounts.point_entries (id, account_id, kind, points, actor_id, reason, idempotency_key, idempotency_hash, at)
		VALUES (gen_random_uuid(), $1, 'grant', 500, gen_random_uuid(), 'a test', 'burst', '\x00', now())`, buyers[2].id)
	require.NoError(t, err)
	spend := func(n int) request {
		r := buyers[2].order(fmt.Sprintf("spend-%d", n), ware)
		r.body.(map[string]any)["points_won"] = 500
		return r
	}
	require.Equal(t, map[int]int{201: 1, 409: many - 1}, burst(t, shop, buyers[2], repeat(spend)), "points are spent once")
	f.rest(`SELECT format('order %s is %s', id, state) FROM ordering.orders WHERE state = 'pending'`)
}
