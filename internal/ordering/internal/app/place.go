package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/batch"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
)

// The scopes of the keys under which orders are placed.
const (
	placeOperation    = "orders.place"
	preorderOperation = "preorders.order"
)

// PlaceInput is what a shopper orders.
type PlaceInput struct {
	AccountID        uuid.UUID
	Key              idempotency.Key
	Items            []PlaceItem
	AddressID        uuid.UUID
	CouponID         uuid.UUID // one that the account holds; the zero UUID: none
	PointsWon        int64     // of the account's points, to pay with
	ExpectedTotalWon *int64

	preorder uuid.UUID // of which the one item is; the zero UUID: none. Only PlacePreorder sets it (original 23)
}

func (in PlaceInput) request() db.Request {
	return db.Request{AccountID: in.AccountID, Operation: in.operation(), Key: in.Key.Value}
}

func (in PlaceInput) operation() string {
	if in.preorder != uuid.Nil {
		return preorderOperation
	}
	return placeOperation
}

// PlaceItem is one line of it.
type PlaceItem struct {
	ProductID        uuid.UUID
	Quantity         int64
	ExpectedPriceWon int64
}

// Placement is an order, with what is needed to pay it while it waits for that.
type Placement struct {
	Order    db.Order
	Lines    []db.Line
	Payment  *payments.Payment
	Replayed bool
}

// Place takes an order. Who has ordered with the key is answered with that order, even when there is nothing left, the price is
// another or the address is gone: the flight that would insert the order finds the first one, and a draft that is refused looks
// before it says so. Until the order is inserted a refusal leaves no trace; afterwards it is kept with the order, and an outage leaves
// an order that the same key, or a job, finishes.
func (s *Service) Place(ctx context.Context, in PlaceInput) (Placement, error) {
	if err := checkItems(in.Items); err != nil {
		return Placement{}, err
	}
	return s.place(ctx, in)
}

func (s *Service) place(ctx context.Context, in PlaceInput) (Placement, error) {
	d, refusal := s.draft(ctx, in)
	if refusal != nil {
		switch first, err := s.finding.Do(ctx, batch.KeyOf(in.AccountID), in.request()); {
		case err != nil:
			return Placement{}, s.outage(ctx, "look up the key", err)
		case first == uuid.Nil:
			return Placement{}, refusal
		default:
			return s.replay(ctx, in, first)
		}
	}
	switch id, err := s.placing.Do(ctx, batch.KeyOf(in.AccountID), d); {
	case err != nil:
		return Placement{}, err
	case id != d.order.ID:
		return s.replay(ctx, in, id)
	}
	return s.drive(ctx, d.order, d.lines, *d.order.ClaimedBy, false)
}

// draft checks and prices an order. It asks other modules, and stores nothing.
func (s *Service) draft(ctx context.Context, in PlaceInput) (draft, error) {
	ctx, cancel := s.call(ctx)
	defer cancel()
	var drop *db.Preorder
	if in.preorder != uuid.Nil {
		p, err := s.offered(ctx, in.preorder, in.Items[0].Quantity)
		if err != nil {
			return draft{}, err
		}
		drop, in.Items[0].ProductID = &p, p.ProductID
	}
	ids := make([]uuid.UUID, len(in.Items))
	wanted := make([]catalog.Line, len(in.Items))
	for i, item := range in.Items {
		ids[i], wanted[i] = item.ProductID, catalog.Line{ProductID: item.ProductID, Quantity: item.Quantity}
	}
	if _, err := s.stock.Check(ctx, catalog.CheckInput{DropID: in.preorder, Lines: wanted}); err != nil {
		return draft{}, s.outage(ctx, "check the stock", preordersWords(in.preorder, err))
	}
	offers, err := s.products.Offers(ctx, catalog.OffersInput{ProductIDs: ids})
	if err != nil {
		return draft{}, s.outage(ctx, "price the lines", err)
	}
	if drop != nil {
		asOffered(in.Items, offers.Items, *drop)
	}
	quoted, err := quote(in.Items, offers.Items)
	if err != nil {
		return draft{}, preordersWords(in.preorder, err)
	}
	amounts := make([]int64, len(quoted))
	for i, q := range quoted {
		amounts[i] = q.amountWon
	}
	p, err := s.config.priceOf(amounts)
	if err != nil {
		return draft{}, err
	}
	lineDiscounts := make([]int64, len(quoted))
	if in.CouponID != uuid.Nil {
		off, err := s.discount(ctx, in.AccountID, in.CouponID, quoted)
		if err != nil {
			return draft{}, err
		}
		lineDiscounts, p = off.LineDiscountsWon, p.less(off.DiscountWon, 0)
	}
	if in.ExpectedTotalWon != nil && *in.ExpectedTotalWon != p.totalWon {
		return draft{}, ordering.ErrPriceChanged.WithFields(fault.Field{Pointer: "/expected_total_won", Detail: fmt.Sprintf("the total is %d won", p.totalWon)})
	}
	if in.PointsWon > 0 {
		p = p.less(p.discountWon, in.PointsWon)
		if err := s.affords(ctx, in.AccountID, p); err != nil {
			return draft{}, err
		}
	}
	if p.dueWon > 0 && p.dueWon < minDueWon {
		return draft{}, ordering.ErrBelowMinimum
	}
	address, err := s.accounts.Address(ctx, accounts.AddressInput{AccountID: in.AccountID, AddressID: in.AddressID})
	if errors.Is(err, accounts.ErrNoAddress) {
		return draft{}, accounts.ErrNoAddress.WithFields(fault.Field{Pointer: "/address_id", Detail: "is not one of your addresses"})
	}
	if err != nil {
		return draft{}, s.outage(ctx, "read the address", err)
	}

	id, err := uuid.NewV7()
	if err != nil {
		return draft{}, fmt.Errorf("make an order id: %w", err)
	}
	now := s.clock()
	d := draft{
		order: db.Order{
			ID: id, Number: newNumber(now), AccountID: in.AccountID, Kind: string(ordering.KindStandard),
			State: string(ordering.StatePending), Unpaid: true, Step: 1,
			ItemsWon: p.itemsWon, DiscountWon: p.discountWon, ShippingWon: p.shippingWon, TotalWon: p.totalWon, PointsWon: p.pointsWon, DueWon: p.dueWon,
			Recipient: address.Recipient, Phone: address.Phone, Zipcode: address.Zipcode, Line1: address.Line1, Line2: address.Line2,
			Operation: in.operation(), IdempotencyKey: in.Key.Value, RequestHash: in.Key.Hash,
			ClaimedBy: new(uuid.New()), AttendAt: new(now.Add(s.config.RecoverAfter)),
			CreatedAt: now, UpdatedAt: now,
		},
		lines:  make([]db.Line, len(quoted)),
		limits: make([]int, len(quoted)),
	}
	d.order.CouponID = orNil(in.CouponID)
	if drop != nil {
		d.order.Kind, d.order.DropID = string(ordering.KindPreorder), &drop.ID
	}
	for i, q := range quoted {
		d.limits[i] = q.offer.LimitPerCustomer
		d.lines[i] = db.Line{
			OrderID: id, Position: int32(i), ProductID: q.offer.ProductID, Name: q.offer.Name, Brand: q.offer.Brand,
			Quantity: q.quantity, UnitPriceWon: q.offer.PriceWon, DiscountWon: lineDiscounts[i],
		}
	}
	return d, nil
}

// newNumber makes an order's number: the day, for people, and 80 random bits, for everybody else.
func newNumber(now time.Time) string {
	return "S" + now.Format("20060102") + rand.Text()[:16]
}

// drive takes a pending order, which the caller has claimed, through the steps that are left. Each is idempotent by the order's
// id, so it does not matter which of them were done before, nor by whom. resumed says that some may have been: a refusal must then
// close the payment as well.
func (s *Service) drive(ctx context.Context, o db.Order, lines []db.Line, claimant uuid.UUID, resumed bool) (p Placement, err error) {
	defer func() {
		if p.Order.ID == uuid.Nil { // not ended: let the next one begin at once
			s.unclaim(ctx, o.ID, claimant)
		}
	}()
	for _, h := range s.holdings(o) {
		begun := time.Now()
		if err := h.take(ctx, o, lines); err != nil {
			f, ok := refused(err)
			switch {
			case !ok:
				return Placement{}, s.outage(ctx, h.doing, err)
			case resumed && o.DueWon > 0:
				return s.rejectUnpayable(ctx, o, f)
			default:
				return s.reject(ctx, o, claimant, f)
			}
		}
		if err := s.beat(ctx, o.ID, claimant, begun); err != nil {
			return Placement{}, err
		}
	}
	end := finish{order: o, lines: lines, to: ordering.StatePaid}
	var payment *payments.Payment
	if o.DueWon > 0 {
		pay, err := s.open(ctx, o, lines)
		if err == nil && pay.State == payments.StateClosed {
			err = payments.ErrOrderClosed
		}
		if err != nil {
			if f, ok := refused(err); ok {
				return s.rejectUnpayable(ctx, o, f)
			}
			return Placement{}, s.outage(ctx, "open the payment", err)
		}
		payment, end.to, end.expiresAt = &pay, ordering.StateAwaitingPayment, new(pay.ExpiresAt.UTC())
	}
	done, err := s.finishing.Do(ctx, batch.KeyOf(o.ID), end)
	if err != nil {
		return Placement{}, s.outage(ctx, "finish the placing", err)
	}
	if !done.moved {
		if o, err = s.order(ctx, uuid.Nil, o.ID); err != nil {
			return Placement{}, err
		}
		return s.answer(ctx, o)
	}
	if o.DropID == nil { // what was ordered of a drop was in no cart
		s.takeFromCart(ctx, o.AccountID, lines)
	}
	return Placement{Order: done.order, Lines: lines, Payment: payment}, nil
}

// beat renews a claim that a slow step has brought near to its end. One that was taken over leaves the order to its new driver.
func (s *Service) beat(ctx context.Context, id, claimant uuid.UUID, since time.Time) error {
	if time.Since(since) < s.config.TakeOver/4 {
		return nil
	}
	n, err := s.sql.ClaimOrder(ctx, s.pool, db.ClaimOrderParams{ID: id, Claimant: claimant, SilentS: s.config.TakeOver.Seconds()})
	if err != nil {
		return fmt.Errorf("renew a claim: %w", err)
	}
	if n == 0 {
		return idempotency.ErrInProgress
	}
	return nil
}

func (s *Service) reserve(ctx context.Context, o db.Order, lines []db.Line) error {
	ctx, cancel := s.call(ctx)
	defer cancel()
	in := catalog.ReserveInput{OrderID: o.ID, Lines: make([]catalog.Line, len(lines))}
	if o.DropID != nil {
		in.DropID = *o.DropID
	}
	for i, l := range lines {
		in.Lines[i] = catalog.Line{ProductID: l.ProductID, Quantity: l.Quantity}
	}
	_, err := s.stock.Reserve(ctx, in)
	reserveCalled.Hit()
	return preordersWords(in.DropID, err)
}

func (s *Service) open(ctx context.Context, o db.Order, lines []db.Line) (payments.Payment, error) {
	ctx, cancel := s.call(ctx)
	defer cancel()
	ttl := s.config.OrderTTL
	if o.DropID != nil {
		ttl = min(ttl, s.config.PreorderTTL)
	}
	p, err := s.payments.Open(ctx, payments.OpenInput{
		OrderID: o.ID, OrderNumber: o.Number, OrderName: nameOf(lines), AccountID: o.AccountID,
		AmountWon: o.DueWon, ExpiresAt: s.clock().Add(ttl), NoDeposit: o.DropID != nil,
	})
	openCalled.Hit()
	return p, err
}

// nameOf is what the shopper reads on the pay page: at most 100 characters.
func nameOf(lines []db.Line) string {
	more := ""
	if len(lines) > 1 {
		more = fmt.Sprintf(" 외 %d건", len(lines)-1)
	}
	name := []rune(lines[0].Name)
	if room := 100 - len([]rune(more)); len(name) > room {
		name = append(name[:room-1], '…')
	}
	return string(name) + more
}

// outage is what a shopper is told when a part did not answer: a fault of its own as it is, anything else in our words.
func (s *Service) outage(ctx context.Context, doing string, err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	s.log.WarnContext(ctx, "an order could not be placed just now", "doing", doing, "error", err)
	return fmt.Errorf("%s: %w", doing, ordering.ErrNotPlaced.WithRetryAfter(time.Second))
}

// rejectUnpayable ends an order for which a payment may have been opened. Payments has the last word: what it does not close lives on.
func (s *Service) rejectUnpayable(ctx context.Context, o db.Order, f *fault.Error) (Placement, error) {
	closing, cancel := s.call(ctx)
	defer cancel()
	closed, err := s.payments.Close(closing, payments.CloseInput{OrderID: o.ID})
	if err != nil {
		return Placement{}, s.outage(ctx, "close the payment", err)
	}
	if closed.State != payments.StateClosed {
		return Placement{}, ordering.ErrNotPlaced.WithRetryAfter(time.Second)
	}
	return s.reject(ctx, o, uuid.Nil, f)
}

// reject ends an order that could not be placed, with the refusal that its key is answered with from now on. With a claimant, who has
// not asked payments, it does so only while the order is still that claimant's: whoever took it over may have opened the payment.
func (s *Service) reject(ctx context.Context, o db.Order, claimant uuid.UUID, f *fault.Error) (Placement, error) {
	refusal, err := json.Marshal(f)
	if err != nil {
		return Placement{}, fmt.Errorf("encode a refusal: %w", err)
	}
	id := o.ID
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var err error
		if o, err = s.lock(ctx, tx, id); err != nil {
			return err
		}
		if o.State != string(ordering.StatePending) {
			return nil // somebody else has ended it
		}
		if claimant != uuid.Nil && (o.ClaimedBy == nil || *o.ClaimedBy != claimant) {
			return idempotency.ErrInProgress
		}
		o, err = s.move(ctx, tx, o, step{to: ordering.StateRejected, by: system, note: f.Code, set: db.MoveOrderParams{Refusal: refusal}})
		rejectCommit.Hit()
		return err
	})
	if err != nil {
		return Placement{}, s.outage(ctx, "reject the order", err)
	}
	rejectCommitted.Hit()
	return s.answer(ctx, o)
}
