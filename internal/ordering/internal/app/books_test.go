package app_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/app"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// looked is what one look at an invariant finds.
func (s *shop) looked(t tester, name, from string) books.Finding {
	t.Helper()
	for _, i := range app.Books(s.Service) {
		if i.Name == name {
			found, err := i.Check(t.Context(), from)
			require.NoError(t, err, name)
			return found
		}
	}
	require.Fail(t, "no such invariant", name)
	return books.Finding{}
}

// sound requires that the books balance, but for some invariants.
func (s *shop) sound(t tester, from string, but ...string) {
	t.Helper()
	for _, i := range app.Books(s.Service) {
		if !slices.Contains(but, i.Name) {
			require.Empty(t, s.looked(t, i.Name, from).Wrong, i.Name)
		}
	}
}

func subjects(f books.Finding) []string {
	var all []string
	for _, m := range f.Wrong {
		all = append(all, m.Subject)
	}
	return all
}

// superuser is a shop whose database lets a test break what constraints keep.
func superuser(t *testing.T) *shop {
	t.Helper()
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "ordering"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return setupOn(t, pool)
}

// inventory is an order in each state that the shop can be left in.
type inventory struct {
	*shop
	account uuid.UUID
	shirt   uuid.UUID
	order   map[ordering.State]uuid.UUID
}

// keep names the one order that is in a state of which nobody was told.
func (i inventory) keep(t *testing.T, state ordering.State) {
	t.Helper()
	var id uuid.UUID
	require.NoError(t, i.pool.QueryRow(t.Context(), `SELECT id FROM ordering.orders WHERE state = $1`, state).Scan(&id))
	i.order[state] = id
}

func stocked(t *testing.T) inventory {
	s := superuser(t)
	i := inventory{shop: s, account: uuid.New(), shirt: s.catalog.sell("셔츠", 12_900, 100), order: map[ordering.State]uuid.UUID{}}
	sock := s.catalog.sell("양말", 3_000, 100)
	boss := uuid.New()

	expired := s.place(t, i.account, i.shirt)
	s.clock.Advance(16 * time.Minute)
	require.NoError(t, s.Expire(t.Context()))
	i.order[ordering.StateExpired] = expired.Order.ID
	unpaid := s.place(t, i.account, i.shirt)
	_, err := s.Cancel(t.Context(), cancelation(i.account, unpaid.Order.ID, "unpaid"))
	require.NoError(t, err)
	i.order[ordering.StateCanceled] = unpaid.Order.ID
	_, err = s.Place(t.Context(), s.input(i.account, "rejected", i.shirt, s.catalog.sell("모자", 30_000, 0)))
	require.ErrorIs(t, err, catalog.ErrOutOfStock)
	i.keep(t, ordering.StateRejected)

	for _, state := range []ordering.State{
		ordering.StatePaid, ordering.StatePreparing, ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed, ordering.StateRefunded, ordering.StateCanceling,
	} {
		p, err := s.Place(t.Context(), s.reduced(i.account, "reduced-"+string(state), i.shirt, sock))
		require.NoError(t, err)
		_, err = s.Confirm(t.Context(), confirmation(p, uuid.NewString()))
		require.NoError(t, err)
		i.order[state] = p.Order.ID
	}
	s.relay(t)
	_, err = s.Prepare(t.Context(), boss, i.order[ordering.StatePreparing])
	require.NoError(t, err)
	for _, state := range []ordering.State{ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed, ordering.StateRefunded} {
		_, err = s.Ship(t.Context(), boss, i.order[state], "CJ", "1")
		require.NoError(t, err)
	}
	_, err = s.Deliver(t.Context(), boss, i.order[ordering.StateDelivered])
	require.NoError(t, err)
	_, err = s.Receive(t.Context(), i.account, i.order[ordering.StateConfirmed])
	require.NoError(t, err)
	_, err = s.Refund(t.Context(), taking(i.order[ordering.StateRefunded], "socks", pieces(sock, 1)))
	require.NoError(t, err)
	_, err = s.Refund(t.Context(), taking(i.order[ordering.StateRefunded], "all"))
	require.NoError(t, err)
	s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
	_, err = s.Cancel(t.Context(), cancelation(i.account, i.order[ordering.StateCanceling], "c"))
	require.NoError(t, err)
	waiting, err := s.Place(t.Context(), s.reduced(i.account, "waits", i.shirt, sock))
	require.NoError(t, err)
	i.order[ordering.StateAwaitingPayment] = waiting.Order.ID
	s.catalog.once("reserve.after", func(context.Context) error { return errors.New("reset") })
	_, err = s.Place(t.Context(), s.input(i.account, "pending", i.shirt))
	require.ErrorIs(t, err, ordering.ErrNotPlaced)
	i.keep(t, ordering.StatePending)
	s.relay(t)
	s.clock.Advance(time.Minute)
	return i
}

func TestBooksAreSound(t *testing.T) {
	t.Parallel()

	i := stocked(t)
	i.sound(t, "")
	i.sound(t, books.FirstID(time.Now().Add(-time.Hour)).String())
	require.NoError(t, i.ReturnQuotas(t.Context()))
	i.sound(t, "")
	require.EqualValues(t, len(i.order), i.looked(t, "orders.sums", "").Looked)
	require.EqualValues(t, len(i.order), i.looked(t, "holds.orders", "").Looked)
	require.EqualValues(t, 2, i.looked(t, "holds.open", "").Looked, "what waits, and what is being placed")
}

// Each violation is named by its invariant, and nothing else is.
func TestBooksNameWhatIsWrong(t *testing.T) {
	t.Parallel()

	sql := func(statement string, state ordering.State) func(t *testing.T, i inventory) string {
		return func(t *testing.T, i inventory) string {
			i.exec(t, statement, i.order[state])
			return i.order[state].String()
		}
	}
	stray := uuid.New()
	for name, test := range map[string]struct {
		invariant string
		plant     func(t *testing.T, i inventory) string // and tells of what
	}{
		"ALineIsGone":     {"orders.sums", sql(`DELETE FROM ordering.order_lines WHERE order_id = $1 AND position = 1`, ordering.StateShipping)},
		"NoLinesAtAll":    {"orders.sums", sql(`DELETE FROM ordering.order_lines WHERE order_id = $1`, ordering.StateExpired)},
		"ADearerLine":     {"orders.sums", sql(`UPDATE ordering.order_lines SET unit_price_won = unit_price_won + 1 WHERE order_id = $1 AND position = 0`, ordering.StatePaid)},
		"LessOffTheLines": {"orders.sums", sql(`UPDATE ordering.order_lines SET discount_won = discount_won - 1 WHERE order_id = $1 AND position = 0`, ordering.StatePaid)},
		"LessIsDue": {"orders.sums", func(t *testing.T, i inventory) string {
			i.exec(t, `ALTER TABLE ordering.orders DROP CONSTRAINT orders_due_check`)
			i.exec(t, `UPDATE ordering.orders SET due_won = due_won - 1 WHERE id = $1`, i.order[ordering.StateAwaitingPayment])
			return i.order[ordering.StateAwaitingPayment].String()
		}},
		"AGap":                {"orders.timeline", sql(`DELETE FROM ordering.order_timeline WHERE order_id = $1 AND step = 2`, ordering.StateDelivered)},
		"NoEnd":               {"orders.timeline", sql(`DELETE FROM ordering.order_timeline WHERE order_id = $1 AND step = 3`, ordering.StateExpired)},
		"NoTimeline":          {"orders.timeline", sql(`DELETE FROM ordering.order_timeline WHERE order_id = $1`, ordering.StatePending)},
		"ARowTooMany":         {"orders.timeline", sql(`INSERT INTO ordering.order_timeline SELECT order_id, 4, at, to_state, to_state, 'system' FROM ordering.order_timeline WHERE order_id = $1 AND step = 3`, ordering.StatePaid)},
		"TornApart":           {"orders.timeline", sql(`UPDATE ordering.order_timeline SET from_state = 'pending' WHERE order_id = $1 AND step = 3`, ordering.StatePaid)},
		"AnotherState":        {"orders.timeline", sql(`UPDATE ordering.orders SET state = 'delivered' WHERE id = $1`, ordering.StateConfirmed)},
		"BackFromTheDead":     {"orders.transitions", sql(`WITH o AS (UPDATE ordering.orders SET state = 'paid', step = step + 1 WHERE id = $1 RETURNING id, step, updated_at) INSERT INTO ordering.order_timeline SELECT id, step, updated_at, 'expired', 'paid', 'system' FROM o`, ordering.StateExpired)},
		"BornPaid":            {"orders.transitions", sql(`UPDATE ordering.order_timeline SET to_state = 'paid' WHERE order_id = $1 AND step = 1`, ordering.StateCanceled)},
		"AnEventIsGone":       {"orders.events", sql(`DELETE FROM ordering.outbox WHERE key = $1 AND aggregate_version = 2`, ordering.StateShipping)},
		"TheFirstEventIsGone": {"orders.events", sql(`DELETE FROM ordering.outbox WHERE key = $1 AND aggregate_version = 1`, ordering.StateShipping)},
		"EveryEventIsGone":    {"orders.events", sql(`DELETE FROM ordering.outbox WHERE key = $1`, ordering.StateRejected)},
		"AVersionTooMany":     {"orders.events", sql(`UPDATE ordering.orders SET version = version + 1 WHERE id = $1`, ordering.StatePaid)},
		"AnEventOfNothing": {"orders.events", func(t *testing.T, i inventory) string {
			i.exec(t, `INSERT INTO ordering.outbox (event_id, type, key, aggregate_version, occurred_at, data) VALUES ($2, 'ordering.paid.v1', $1, 1, now(), '{}')`, stray, uuid.Must(uuid.NewV7()))
			return stray.String()
		}},
		"GaveBackMore":   {"orders.refunds", sql(`UPDATE ordering.orders SET refunded_won = refunded_won - 1 WHERE id = $1`, ordering.StateRefunded)},
		"ReturnedLess":   {"orders.refunds", sql(`UPDATE ordering.orders SET returned_won = returned_won - 1 WHERE id = $1`, ordering.StateRefunded)},
		"CameBackTwice":  {"orders.refunds", sql(`UPDATE ordering.refund_lines SET quantity = quantity + 1 WHERE refund_id IN (SELECT id FROM ordering.refunds WHERE order_id = $1)`, ordering.StateRefunded)},
		"DidNotComeBack": {"orders.refunds", sql(`DELETE FROM ordering.refund_lines WHERE position = 1 AND refund_id IN (SELECT id FROM ordering.refunds WHERE order_id = $1)`, ordering.StateRefunded)},
		"AllCameBack":    {"orders.refunds", sql(`UPDATE ordering.orders SET state = 'delivered' WHERE id = $1`, ordering.StateRefunded)},
		"RefundForLong": {"refunds.age", sql(`UPDATE ordering.refunds SET state = 'sent', settled_at = NULL, attend_at = now(), requested_at = requested_at - interval '25 hours'
			WHERE whole AND order_id = $1`, ordering.StateRefunded)},
		"ARefundWithoutItsEvent": {"orders.events", sql(`DELETE FROM ordering.outbox WHERE key = $1 AND type = 'ordering.refunded.v1' AND data->>'whole' = 'true'`, ordering.StateRefunded)},
		"CountedTooMuch": {"quotas.sum", func(t *testing.T, i inventory) string {
			i.exec(t, `UPDATE ordering.purchase_quotas SET quantity = quantity + 1 WHERE product_id = $1`, i.shirt)
			return i.account.String()
		}},
		"NotCounted": {"quotas.sum", func(t *testing.T, i inventory) string {
			i.exec(t, `DELETE FROM ordering.purchase_quotas WHERE product_id = $1`, i.shirt)
			return i.account.String()
		}},
		"NotGivenBack": {"quotas.sum", func(t *testing.T, i inventory) string {
			i.exec(t, `DELETE FROM ordering.quota_returns WHERE order_id = $1`, i.order[ordering.StateExpired])
			return i.account.String()
		}},
		"MoreOfADropThanAllowed": {"preorders.limits", func(t *testing.T, i inventory) string {
			id := i.shop.order(t, uuid.New(), i.drop(t, 5, 1)).Order.ID
			i.exec(t, `UPDATE ordering.order_lines SET quantity = 2 WHERE order_id = $1`, id)
			return id.String()
		}},
		"ACanceledDropLivesOn": {"preorders.canceled", func(t *testing.T, i inventory) string {
			p := i.buys(t, uuid.New(), i.drop(t, 5, 1))
			i.exec(t, `UPDATE ordering.preorders SET state = 'canceled', cancel_reason = 'x', wound_up_at = $1`, i.clock.Now())
			return p.Order.ID.String()
		}},
		"PendingForLong":   {"orders.pending", sql(`UPDATE ordering.orders SET created_at = created_at - interval '6 minutes' WHERE id = $1`, ordering.StatePending)},
		"UnpaidForLong":    {"orders.unpaid", sql(`UPDATE ordering.orders SET expires_at = expires_at - interval '30 minutes' WHERE id = $1`, ordering.StateAwaitingPayment)},
		"CancelingForLong": {"orders.canceling", sql(`UPDATE ordering.orders SET updated_at = updated_at - interval '1 hour' WHERE id = $1`, ordering.StateCanceling)},

		// vendure#1738: a paid order whose goods are somebody else's; here paid pieces are used pieces.
		"PaidAndOnlyHeld":    {"holds.orders", holding(ordering.StatePaid, func(h *hold) { h.state = catalog.Held })},
		"PaidAndFewerUsed":   {"holds.orders", holding(ordering.StateShipping, func(h *hold) { h.lines = h.lines[:1] })},
		"PaidAndOthersUsed":  {"holds.orders", holding(ordering.StateDelivered, func(h *hold) { h.lines = []catalog.Line{{ProductID: stray, Quantity: 1}, h.lines[1]} })},
		"PaidAndMoreUsed":    {"holds.orders", holding(ordering.StatePaid, func(h *hold) { h.lines = []catalog.Line{h.lines[0], {ProductID: h.lines[1].ProductID, Quantity: 2}} })},
		"CancelingAndGone":   {"holds.orders", holding(ordering.StateCanceling, func(h *hold) { h.state = catalog.Released })},
		"WaitsAndIsReleased": {"holds.orders", holding(ordering.StateAwaitingPayment, func(h *hold) { h.state = catalog.Released })},
		"DeadAndUsed":        {"holds.orders", holding(ordering.StateExpired, func(h *hold) { h.state = catalog.Used })},
		"PaidAndNothing": {"holds.orders", func(_ *testing.T, i inventory) string {
			delete(i.catalog.holds, i.order[ordering.StatePaid])
			return i.order[ordering.StatePaid].String()
		}},
		// PrestaShop#19100: pieces that are reserved for ever.
		"DeadAndHeld": {"holds.open", holding(ordering.StateCanceled, func(h *hold) { h.state = catalog.Held })},
		"HeldForNobody": {"holds.open", func(_ *testing.T, i inventory) string {
			i.catalog.holds[stray] = hold{state: catalog.Held}
			return stray.String()
		}},
		"PaidAndTheCouponIsBack":  {"coupons.orders", coupon(ordering.StatePaid, func(r *coupons.Redemption) { r.State = coupons.Released })},
		"AnotherCoupon":           {"coupons.orders", coupon(ordering.StateShipping, func(r *coupons.Redemption) { r.CouponID = stray })},
		"AnotherDiscount":         {"coupons.orders", coupon(ordering.StateAwaitingPayment, func(r *coupons.Redemption) { r.DiscountWon++ })},
		"DeadWithACoupon":         {"coupons.orders", coupon(ordering.StateExpired, func(r *coupons.Redemption) { r.State = coupons.Used })},
		"ACouponIsHeldForTheDead": {"coupons.open", coupon(ordering.StateCanceled, func(r *coupons.Redemption) { r.State = coupons.Held })},
		"RefundedWithACoupon":     {"coupons.orders", coupon(ordering.StateRefunded, func(r *coupons.Redemption) { r.State = coupons.Used })},
		"RefundedAndNeverSold":    {"holds.orders", holding(ordering.StateRefunded, func(h *hold) { h.state = catalog.Released })},
		"RefundedAndNeverSpent":   {"points.orders", pointHold(ordering.StateRefunded, func(h *accounts.PointHold) { h.State = accounts.Released })},
		"PaidAndThePointsAreBack": {"points.orders", pointHold(ordering.StateDelivered, func(h *accounts.PointHold) { h.State = accounts.Released })},
		"FewerPoints":             {"points.orders", pointHold(ordering.StatePaid, func(h *accounts.PointHold) { h.Points-- })},
		"DeadWithPoints":          {"points.orders", pointHold(ordering.StateRejected, func(h *accounts.PointHold) { h.State = accounts.Used })},
		"PointsAreHeldForTheDead": {"points.open", pointHold(ordering.StateExpired, func(h *accounts.PointHold) { h.State = accounts.Held })},
		"CouponOfNoOrder": {"coupons.open", func(_ *testing.T, i inventory) string {
			i.coupons.redemptions[stray] = coupons.Redemption{OrderID: stray, State: coupons.Held}
			return stray.String()
		}},
		"PointsOfNoOrder": {"points.open", func(_ *testing.T, i inventory) string {
			i.points.held[stray] = accounts.PointHold{OrderID: stray, State: accounts.Held}
			return stray.String()
		}},
		// saleor#9504, saleor#10925: money without an order.
		"PaidTooLittle":   {"money.orders", money(ordering.StatePaid, func(p *payments.Payment) { p.AmountWon-- })},
		"GivenBack":       {"money.orders", money(ordering.StateShipping, func(p *payments.Payment) { p.RefundedWon = p.AmountWon })},
		"NeverPaid":       {"money.orders", money(ordering.StateDelivered, func(p *payments.Payment) { p.State = payments.StateOpen })},
		"WaitsAndIsPaid":  {"money.orders", money(ordering.StateAwaitingPayment, func(p *payments.Payment) { p.State = payments.StateCaptured })},
		"DeadAndKept":     {"money.orders", money(ordering.StateExpired, func(p *payments.Payment) { p.State = payments.StateCaptured })},
		"RefundedAndKept": {"money.orders", money(ordering.StateRefunded, func(p *payments.Payment) { p.RefundedWon-- })},
		"CanceledAndKept": {"money.orders", money(ordering.StateCanceled, func(p *payments.Payment) { p.State = payments.StateCaptured })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			i := stocked(t)
			before := books.FirstID(time.Now().Add(-time.Hour)).String()
			want := test.plant(t, i)
			require.Equal(t, []string{want}, subjects(i.looked(t, test.invariant, "")))
			require.Equal(t, []string{want}, subjects(i.looked(t, test.invariant, before)), "from a checkpoint, too")
		})
	}
}

func holding(state ordering.State, edit func(h *hold)) func(t *testing.T, i inventory) string {
	return func(_ *testing.T, i inventory) string {
		h := i.catalog.holds[i.order[state]]
		edit(&h)
		i.catalog.holds[i.order[state]] = h
		return i.order[state].String()
	}
}

func coupon(state ordering.State, edit func(r *coupons.Redemption)) func(t *testing.T, i inventory) string {
	return func(_ *testing.T, i inventory) string {
		r := i.coupons.redemptions[i.order[state]]
		r.OrderID = i.order[state]
		edit(&r)
		i.coupons.redemptions[r.OrderID] = r
		return r.OrderID.String()
	}
}

func pointHold(state ordering.State, edit func(h *accounts.PointHold)) func(t *testing.T, i inventory) string {
	return func(_ *testing.T, i inventory) string {
		h := i.points.held[i.order[state]]
		h.OrderID = i.order[state]
		edit(&h)
		i.points.held[h.OrderID] = h
		return h.OrderID.String()
	}
}

func money(state ordering.State, edit func(p *payments.Payment)) func(t *testing.T, i inventory) string {
	return func(_ *testing.T, i inventory) string {
		i.payments.set(i.order[state], edit)
		return i.order[state].String()
	}
}

// A look from a checkpoint leaves out what has not changed since, and finds what has: new orders, and old ones of which there is news.
func TestBooksLookFromACheckpoint(t *testing.T) {
	t.Parallel()

	s, account := superuser(t), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 100)
	old, quiet := s.place(t, account, shirt), s.paid(t, account, shirt)
	from := uuid.Must(uuid.NewV7()).String()
	_, err := s.Confirm(t.Context(), confirmation(old, "k"))
	require.NoError(t, err)
	fresh := s.paid(t, account, shirt)
	s.relay(t)
	s.clock.Advance(2 * time.Minute)
	for _, name := range []string{"orders.sums", "holds.orders", "money.orders"} {
		require.EqualValues(t, 2, s.looked(t, name, from).Looked, name)
		require.EqualValues(t, 3, s.looked(t, name, "").Looked, name)
	}
	s.exec(t, `UPDATE ordering.orders SET items_won = items_won + 1, total_won = total_won + 1, due_won = due_won + 1`)
	require.ElementsMatch(t, []string{old.Order.ID.String(), fresh.String()}, subjects(s.looked(t, "orders.sums", from)))
	require.ElementsMatch(t, []string{old.Order.ID.String(), fresh.String()}, subjects(s.looked(t, "money.orders", from)))
	require.Contains(t, subjects(s.looked(t, "orders.sums", "")), quiet.String())

	found := s.looked(t, "orders.sums", "")
	through, err := uuid.Parse(found.Through)
	require.NoError(t, err)
	require.Less(t, through.String(), books.FirstID(time.Now().Add(-books.Late+time.Second)).String(), "who commits late is looked at")
	require.Equal(t, from, s.looked(t, "orders.sums", from).Through, "a checkpoint does not go back")
	_, err = app.Books(s.Service)[0].Check(t.Context(), "yesterday")
	require.Error(t, err)
}

// An order that changes just now is left to the modules that have yet to hear of it.
func TestBooksLetOrdersComeToRest(t *testing.T) {
	t.Parallel()

	s := setup(t)
	s.paid(t, uuid.New(), s.catalog.sell("셔츠", 12_900, 100))
	require.Zero(t, s.looked(t, "holds.orders", "").Looked)
	s.clock.Advance(time.Minute)
	require.Len(t, s.looked(t, "holds.orders", "").Wrong, 1, "paid, and only held: the catalog has not heard of it")
	s.relay(t)
	s.sound(t, "")

	late := s.place(t, uuid.New(), s.catalog.sell("양말", 3_000, 100)).Order.ID
	s.clock.Advance(5 * time.Minute)
	s.payments.set(late, func(p *payments.Payment) { p.State, p.ApprovedAt = payments.StateCaptured, new(s.clock.Now()) })
	require.Empty(t, s.looked(t, "money.orders", "").Wrong, "the deposit came just now, and ordering has not heard of it")
	s.clock.Advance(time.Minute)
	require.Equal(t, []string{late.String()}, subjects(s.looked(t, "money.orders", "")))
	s.payments.set(late, func(p *payments.Payment) { p.State = payments.StateOpen })

	for point, of := range map[string]*points{
		"holds": &s.catalog.points, "open_holds": &s.catalog.points, "accounts": &s.payments.points, "redemptions": &s.coupons.points,
		"open_redemptions": &s.coupons.points, "point_holds": &s.points.points, "open_points": &s.points.points,
	} {
		of.once(point, func(context.Context) error { return errors.New("connection refused") })
		failed := 0
		for _, i := range app.Books(s.Service) {
			if _, err := i.Check(t.Context(), ""); err != nil {
				failed++
			}
		}
		require.Equal(t, 1, failed, "what cannot be asked is not sound: %s", point)
	}
}

// A look that has no time goes on from where it broke off, and names what is wrong when it comes to it.
func TestBooksBreakOffAndGoOn(t *testing.T) {
	t.Parallel()

	s, account := setup(t), uuid.New()
	shirt := s.catalog.sell("셔츠", 12_900, 10)
	old, young := s.place(t, account, shirt).Order.ID, s.place(t, account, shirt).Order.ID
	s.exec(t, `DELETE FROM ordering.outbox WHERE key IN ($1, $2)`, old, young) // a look may end between an order and its own event
	now := time.Now()
	for order, ago := range map[uuid.UUID]time.Duration{old: 40 * time.Minute, young: 20 * time.Minute} {
		_, err := s.pool.Exec(t.Context(), `
			INSERT INTO ordering.outbox (event_id, type, key, aggregate_version, occurred_at, data) VALUES ($1, 'ordering.placed.v1', $2, 100, now(), '{}')`,
			books.FirstID(now.Add(-ago)), order)
		require.NoError(t, err)
	}
	_, err := s.pool.Exec(t.Context(), `UPDATE ordering.orders SET items_won = items_won + 1, total_won = total_won + 1, due_won = due_won + 1 WHERE id = $1`, young)
	require.NoError(t, err)

	from, looked, wrong, looks := books.FirstID(now.Add(-time.Hour)).String(), int64(0), 0, 0
	for short := true; short; looks++ {
		require.Less(t, looks, 100, "it does not come to an end")
		for _, i := range app.Books(s.Service) {
			if i.Name == "orders.sums" {
				found, err := i.Check(books.Hurried(t.Context()), from)
				require.NoError(t, err)
				looked, wrong, from, short = looked+found.Looked, wrong+len(found.Wrong), found.Through, found.Short
			}
		}
	}
	require.Greater(t, looks, 50)
	require.EqualValues(t, 4, looked, "each order with its event, and as it was made")
	require.Equal(t, 2, wrong)
}

// More than a thousand orders, by chance, and the books balance at every moment at which everybody has heard.
func TestBooksOfAThousandOrders(t *testing.T) {
	t.Parallel()

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	s := setup(t, func(p *app.Parts) { p.Config.MaxUnpaid = 1 << 40 })
	products := make([]uuid.UUID, 20)
	for i := range products {
		products[i] = s.catalog.sell("상품", int64(1_000+dice.IntN(50_000)), int64(dice.IntN(200)))
	}
	accounts := make([]uuid.UUID, 30)
	for i := range accounts {
		accounts[i] = uuid.New()
	}
	s.payments.gateway = func(payments.Payment) payments.State { return payments.StateCaptured }
	var orders []app.Placement
	for range 1_100 {
		account := accounts[dice.IntN(len(accounts))]
		lines := make([]uuid.UUID, 1+dice.IntN(4))
		for i, j := range dice.Perm(len(products))[:len(lines)] {
			lines[i] = products[j]
		}
		p, err := s.Place(t.Context(), s.input(account, uuid.NewString(), lines...))
		if errors.Is(err, catalog.ErrOutOfStock) {
			continue
		}
		require.NoError(t, err)
		orders = append(orders, p)
		o := orders[dice.IntN(len(orders))]
		switch dice.IntN(4) {
		case 0, 1:
			_, _ = s.Confirm(t.Context(), confirmation(o, uuid.NewString()))
		case 2:
			_, _ = s.Cancel(t.Context(), cancelation(o.Order.AccountID, o.Order.ID, uuid.NewString()))
		case 3:
			_, _ = s.Ship(t.Context(), uuid.New(), o.Order.ID, "CJ", "1")
		}
	}
	s.relay(t)
	s.clock.Advance(2 * time.Minute)
	s.sound(t, "")
	s.clock.Advance(15 * time.Minute)
	require.NoError(t, errors.Join(s.Expire(t.Context()), s.ReturnQuotas(t.Context())))
	s.relay(t)
	s.clock.Advance(2 * time.Minute)
	s.sound(t, "")
	require.Greater(t, s.looked(t, "holds.orders", "").Looked, int64(1_000))
}
