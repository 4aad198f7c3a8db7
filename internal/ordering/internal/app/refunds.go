package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

// RefundInput is what a manager takes back of an order that was shipped.
type RefundInput struct {
	By      uuid.UUID
	OrderID uuid.UUID
	Key     idempotency.Key
	Lines   []ReturnedItem // none: all that is left with the shopper
	Restock bool           // the goods can be sold again
	Reason  string         // 1 to 200 characters
}

// ReturnedItem is how many pieces of a product come back.
type ReturnedItem struct {
	ProductID uuid.UUID
	Quantity  int64
}

// Refunding is a refund, as far as it is.
type Refunding struct {
	Refund   db.Refund
	Replayed bool
}

// Refund gives back what was paid for goods that come back after shipping. Who asks is told what came of it as far as that can be known
// now. A key that was taken up is answered with its refund as it is by then. Faults: ErrNoOrder, ErrNotShipped, ErrIllegalTransition,
// ErrNotThatMany, ErrRefundOpen, ErrRefundRefused.
func (s *Service) Refund(ctx context.Context, in RefundInput) (Refunding, error) {
	r, err := s.refundOfKey(ctx, s.pool, in)
	replayed := err == nil
	if errors.Is(err, pgx.ErrNoRows) {
		r, replayed, err = s.requestRefund(ctx, in)
	}
	if err != nil {
		return Refunding{}, err
	}
	if r, err = s.advanceRefund(ctx, r); err != nil {
		return Refunding{}, err
	}
	if r.State == refundRefused {
		return Refunding{}, ordering.ErrRefundRefused.WithDetail(r.Code)
	}
	return Refunding{Refund: r, Replayed: replayed}, nil
}

// States of a refund.
const (
	refundRequested = "requested" // what the goods had earned is to be taken back
	refundSent      = "sent"      // the money is to be given back
	refundDone      = "done"
	refundRefused   = "refused" // the gateway will not; the goods count as the shopper's again
)

// refundOfKey finds the refund that a key stands for, or [pgx.ErrNoRows].
func (s *Service) refundOfKey(ctx context.Context, conn db.DBTX, in RefundInput) (db.Refund, error) {
	r, err := s.sql.RefundOfKey(ctx, conn, db.RefundOfKeyParams{AskedBy: in.By, Key: in.Key.Value})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return r, err
	case err != nil:
		return r, fmt.Errorf("look up the key: %w", err)
	}
	return r, in.Key.Check(r.RequestHash)
}

// requestRefund takes the goods off the shopper's order: from here on nobody else can take the same pieces back.
func (s *Service) requestRefund(ctx context.Context, in RefundInput) (r db.Refund, replayed bool, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		o, err := s.lock(ctx, tx, in.OrderID)
		if err != nil {
			return err
		}
		if r, err = s.refundOfKey(ctx, tx, in); !errors.Is(err, pgx.ErrNoRows) {
			replayed = err == nil // the first had the lock
			return err
		}
		if err := s.refundable(ctx, tx, o); err != nil {
			return err
		}
		back, err := s.takeOff(ctx, tx, o, in.Lines)
		if err != nil {
			return err
		}
		r, err = s.sql.InsertRefund(ctx, tx, db.InsertRefundParams{
			ID: uuid.Must(uuid.NewV7()), OrderID: o.ID, Whole: back.whole, Restock: in.Restock, Reason: in.Reason,
			ItemsWon: back.goods.won, ShippingWon: back.shipping.won, Points: back.goods.points + back.shipping.points,
			AskedBy: in.By, IdempotencyKey: in.Key.Value, RequestHash: in.Key.Hash, At: s.clock(), AttendAt: new(s.clock().Add(s.config.RefundAfter)),
		})
		if errors.Is(err, pgx.ErrNoRows) { // the same key for another order, at the same moment
			return idempotency.ErrReused
		}
		if err != nil {
			return fmt.Errorf("insert refund: %w", err)
		}
		lines := db.InsertRefundLinesParams{RefundID: r.ID, Positions: back.positions, Quantities: back.quantities}
		if err := s.sql.InsertRefundLines(ctx, tx, lines); err != nil {
			return fmt.Errorf("insert the refund's lines: %w", err)
		}
		note := fmt.Sprintf("%d pieces come back, for %d won and %d points: %s", back.pieces(), r.ItemsWon+r.ShippingWon, r.Points, r.Reason)
		if _, err := s.remark(ctx, tx, o, manager(in.By), note); err != nil {
			return err
		}
		if err := s.audit.Add(ctx, tx, audit.Entry{Action: "orders.refund", Subject: o.ID.String(), Before: auditOf(o), After: auditOfRefund(r)}); err != nil {
			return err
		}
		requestCommit.Hit()
		return nil
	})
	if err == nil && !replayed {
		requestCommitted.Hit()
	}
	return r, replayed, err
}

// auditedRefund is what the audit log keeps of a refund.
type auditedRefund struct {
	RefundID uuid.UUID `json:"refund_id"`
	Whole    bool      `json:"whole"`
	Restock  bool      `json:"restock"`
	MoneyWon int64     `json:"money_won"`
	Points   int64     `json:"points"`
	Reason   string    `json:"reason"`
}

func auditOfRefund(r db.Refund) auditedRefund {
	return auditedRefund{r.ID, r.Whole, r.Restock, moneyOf(r), r.Points, r.Reason}
}

// refundable refuses an order of which nothing can come back now.
func (s *Service) refundable(ctx context.Context, tx pgx.Tx, o db.Order) error {
	switch ordering.State(o.State) {
	case ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed:
	case ordering.StateAwaitingPayment, ordering.StatePaid, ordering.StatePreparing:
		return ordering.ErrNotShipped
	default:
		return ordering.ErrIllegalTransition.WithDetail("nothing comes back of an order that is " + o.State)
	}
	return s.noOpenRefund(ctx, tx, o.ID)
}

func (s *Service) noOpenRefund(ctx context.Context, tx pgx.Tx, order uuid.UUID) error {
	open, err := s.sql.OpenRefunds(ctx, tx, order)
	if err != nil {
		return fmt.Errorf("look for an open refund: %w", err)
	}
	if open > 0 {
		return ordering.ErrRefundOpen
	}
	return nil
}

// returning is what is taken off an order.
type returning struct {
	positions  []int32
	quantities []int64
	goods      worth
	shipping   worth // only of the last pieces: what was paid for bringing them
	whole      bool  // nothing is left
}

func (b returning) pieces() (sum int64) {
	for _, q := range b.quantities {
		sum += q
	}
	return sum
}

// takeOff takes pieces off a locked order; no items: all that are left. It refuses more than are left, and what was never of the order.
func (s *Service) takeOff(ctx context.Context, tx pgx.Tx, o db.Order, items []ReturnedItem) (b returning, err error) {
	lines, err := s.sql.LinesOf(ctx, tx, o.ID)
	if err != nil {
		return b, fmt.Errorf("read the order's lines: %w", err)
	}
	gone, err := s.sql.ReturnedOf(ctx, tx, o.ID)
	if err != nil {
		return b, fmt.Errorf("read what came back: %w", err)
	}
	returned := map[int32]int64{}
	for _, g := range gone {
		returned[g.Position] = g.Quantity
	}
	asked, err := itemsByProduct(items)
	if err != nil {
		return b, err
	}
	pieces, shipping := worthOf(o, lines)
	b.whole = true
	for i, l := range lines {
		before := returned[l.Position]
		take := l.Quantity - before
		if len(items) > 0 {
			take = asked[l.ProductID]
			delete(asked, l.ProductID)
		}
		if before+take > l.Quantity {
			return b, ordering.ErrNotThatMany.WithDetail(fmt.Sprintf("of %s there are %d left", l.Name, l.Quantity-before))
		}
		b.whole = b.whole && before+take == l.Quantity
		if take == 0 {
			continue
		}
		b.positions, b.quantities = append(b.positions, l.Position), append(b.quantities, take)
		for _, piece := range pieces[i][before : before+take] {
			b.goods = b.goods.plus(piece)
		}
	}
	if len(asked) > 0 || len(b.positions) == 0 {
		return b, ordering.ErrNotThatMany.WithDetail("the order has no such pieces")
	}
	if b.whole {
		b.shipping = shipping
	}
	return b, nil
}

func itemsByProduct(items []ReturnedItem) (map[uuid.UUID]int64, error) {
	asked := make(map[uuid.UUID]int64, len(items))
	for i, item := range items {
		if _, twice := asked[item.ProductID]; twice || item.Quantity < 1 {
			return nil, web.ErrInvalid.WithFields(fault.Field{Pointer: fmt.Sprintf("/items/%d", i), Detail: "a product stands in one line, with at least one piece"})
		}
		asked[item.ProductID] = item.Quantity
	}
	return asked, nil
}

// Refunded is a refund with what comes back by it.
type Refunded struct {
	db.Refund
	Lines []db.RefundLinesOfRow
}

// refundsOf reads an order's refunds, the oldest first.
func (s *Service) refundsOf(ctx context.Context, order uuid.UUID) ([]Refunded, error) {
	rows, err := s.sql.RefundsOf(ctx, s.pool, order)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	lines, err := s.sql.RefundLinesOf(ctx, s.pool, order)
	if err != nil {
		return nil, fmt.Errorf("read what came back: %w", err)
	}
	refunds := make([]Refunded, len(rows))
	for i, r := range rows {
		refunds[i] = Refunded{r, linesOf(r.ID, lines)}
	}
	return refunds, nil
}

// linesOf picks a refund's lines out of those of all the order's refunds.
func linesOf(refund uuid.UUID, lines []db.RefundLinesOfRow) (own []db.RefundLinesOfRow) {
	for _, l := range lines {
		if l.RefundID == refund {
			own = append(own, l)
		}
	}
	return own
}

// moneyOf is what a refund gives back.
func moneyOf(r db.Refund) int64 { return r.ItemsWon + r.ShippingWon - r.KeptWon }

// advanceRefund brings a refund to its end, as far as the other modules answer. An outage is no error: the refund is committed, and a job
// asks again.
func (s *Service) advanceRefund(ctx context.Context, r db.Refund) (db.Refund, error) {
	var err error
	if r.State == refundRequested {
		if r, err = s.takeBack(ctx, r); err != nil {
			return r, err
		}
	}
	if r.State == refundSent {
		return s.sendRefund(ctx, r)
	}
	return r, nil
}

// takeBack takes back what the goods had earned. What of it is spent already is taken off the money.
func (s *Service) takeBack(ctx context.Context, r db.Refund) (db.Refund, error) {
	o, err := s.order(ctx, uuid.Nil, r.OrderID)
	if err != nil {
		return r, err
	}
	kept := int64(0)
	if o.State == string(ordering.StateConfirmed) && r.ItemsWon > 0 { // it stays so, or not, while the refund is open
		asking, cancel := s.call(ctx)
		taken, err := s.points.TakeBack(asking, accounts.TakeBackInput{RefundID: r.ID, OrderID: o.ID, AccountID: o.AccountID, Won: r.ItemsWon})
		cancel()
		takeBackCalled.Hit()
		if err != nil {
			s.log.WarnContext(ctx, "what returned goods had earned could not be taken back just now", "order", o.ID, "refund", r.ID, "error", err)
			return r, nil
		}
		kept = taken.Owed - taken.Taken
	}
	sendCommit.Hit()
	sent, err := s.sql.SendRefund(ctx, s.pool, db.SendRefundParams{ID: r.ID, KeptWon: kept})
	if errors.Is(err, pgx.ErrNoRows) { // somebody else was faster
		sent, err = s.sql.RefundOf(ctx, s.pool, r.ID)
	}
	if err != nil {
		return r, fmt.Errorf("note that a refund is sent: %w", err)
	}
	sendCommitted.Hit()
	return sent, nil
}

// sendRefund has payments give the money back, and ends the refund as far as the answer goes.
func (s *Service) sendRefund(ctx context.Context, r db.Refund) (db.Refund, error) {
	if moneyOf(r) == 0 {
		return s.settleRefund(ctx, r, refundDone, "")
	}
	asking, cancel := s.call(ctx)
	p, err := s.payments.Refund(asking, payments.RefundInput{OrderID: r.OrderID, RefundID: r.ID, AmountWon: moneyOf(r), Reason: r.Reason})
	cancel()
	partCalled.Hit()
	if f, ok := refused(err); ok {
		return s.settleRefund(ctx, r, refundRefused, f.Code)
	}
	switch {
	case err != nil || p.Refund == nil:
		s.log.WarnContext(ctx, "a refund could not be asked for just now", "order", r.OrderID, "refund", r.ID, "error", cmp.Or(err, errNoRefund))
		return r, nil
	case p.Refund.State == payments.RefundStateDone:
		return s.settleRefund(ctx, r, refundDone, "")
	case p.Refund.State == payments.RefundStateRefused:
		return s.settleRefund(ctx, r, refundRefused, p.Refund.Code)
	default:
		return r, nil
	}
}

var errNoRefund = errors.New("payments names no refund")

func (s *Service) settleRefund(ctx context.Context, r db.Refund, state, code string) (db.Refund, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		o, err := s.lock(ctx, tx, r.OrderID)
		if err != nil {
			return err
		}
		if err := s.endRefund(ctx, tx, o, r.ID, state, code); err != nil {
			return err
		}
		if r, err = s.sql.RefundOf(ctx, tx, r.ID); err != nil {
			return fmt.Errorf("read refund: %w", err)
		}
		endCommit.Hit()
		return nil
	})
	if err == nil {
		endCommitted.Hit()
	}
	return r, err
}

// endRefund ends a refund of a locked order, once. What is refused counts as the shopper's again, and a person has to decide.
func (s *Service) endRefund(ctx context.Context, tx pgx.Tx, o db.Order, id uuid.UUID, state, code string) error {
	r, err := s.sql.SettleRefund(ctx, tx, db.SettleRefundParams{ID: id, State: state, Code: code, At: s.clock()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // it was told before
	}
	if err != nil {
		return fmt.Errorf("settle refund: %w", err)
	}
	given, note := db.RecordRefundParams{ID: o.ID, Step: o.Step}, "alert: the refund was refused ("+code+"); a person has to decide"
	if state == refundDone {
		given.RefundedWon, given.ReturnedWon = moneyOf(r), r.ItemsWon
		note = fmt.Sprintf("%d won went back", moneyOf(r))
	} else {
		s.log.ErrorContext(ctx, "a refund was refused; a person has to decide", "order", o.ID, "refund", id, "code", code)
	}
	if o, err = s.sql.RecordRefund(ctx, tx, given); err != nil {
		return fmt.Errorf("record refund: %w", err)
	}
	if state == refundDone && r.Whole {
		o, err = s.move(ctx, tx, o, step{to: ordering.StateRefunded, by: system, note: note})
	} else {
		o, err = s.remark(ctx, tx, o, system, note)
	}
	if err != nil {
		return err
	}
	return s.tellRefund(ctx, tx, o, r)
}

// tellRefund publishes what came of a refund.
func (s *Service) tellRefund(ctx context.Context, tx pgx.Tx, o db.Order, r db.Refund) error {
	lines, err := s.sql.LinesOf(ctx, tx, o.ID)
	if err != nil {
		return fmt.Errorf("read the order's lines: %w", err)
	}
	returned, err := s.sql.RefundLinesOf(ctx, tx, o.ID)
	if err != nil {
		return fmt.Errorf("read the refund's lines: %w", err)
	}
	told := ordering.Refund{RefundID: r.ID, Whole: r.Whole, Restock: r.Restock, MoneyWon: moneyOf(r), PointsBack: r.Points}
	for _, l := range linesOf(r.ID, returned) {
		told.Returned = append(told.Returned, ordering.ReturnedLine{ProductID: l.ProductID, Quantity: l.Quantity})
	}
	if r.State == refundDone {
		return s.outbox.Add(ctx, tx, ordering.Refunded{Change: changeOf(o, lines), Refund: told})
	}
	return s.outbox.Add(ctx, tx, ordering.RefundRefused{Change: changeOf(o, lines), Refund: told})
}

// hearRefund ends the refund that payments tells of. False: it is none of goods that came back.
func (s *Service) hearRefund(ctx context.Context, tx pgx.Tx, o db.Order, id uuid.UUID, state, code string) (bool, error) {
	r, err := s.sql.RefundOf(ctx, tx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up refund: %w", err)
	}
	if r.OrderID != o.ID {
		return false, fmt.Errorf("payments tells of refund %s for order %s, and it is of order %s", id, o.ID, r.OrderID)
	}
	return true, s.endRefund(ctx, tx, o, id, state, code)
}

// FinishRefunds goes on with refunds that were not settled when they were asked for.
func (s *Service) FinishRefunds(ctx context.Context) error {
	due, err := s.sql.RefundsToAttend(ctx, s.pool, db.RefundsToAttendParams{Now: new(s.clock()), AtMost: jobBatch})
	if err != nil {
		return fmt.Errorf("find refunds to attend to: %w", err)
	}
	var failed []error
	for _, r := range due {
		if _, err := s.advanceRefund(ctx, r); err != nil {
			failed = append(failed, fmt.Errorf("refund %s: %w", r.ID, err))
		}
		if err := s.sql.PutOffRefund(ctx, s.pool, db.PutOffRefundParams{ID: r.ID, AttendAt: s.clock().Add(putOff)}); err != nil {
			failed = append(failed, fmt.Errorf("put off a refund: %w", err))
		}
	}
	return errors.Join(failed...)
}
