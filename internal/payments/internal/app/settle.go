package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/db"
)

// settle writes what the gateway said of one payment key, whoever asked and however often it is said: attempt, payment, ledger,
// history and event in one transaction, by compare-and-set under the payment's lock. What changes nothing writes nothing.
func (s *Service) settle(ctx context.Context, via route, orderID uuid.UUID, paymentKey string, answer Answer) error {
	if err := s.trySettle(ctx, via, orderID, paymentKey, answer); !errors.Is(err, errTooSoon) {
		return err
	}
	return nil
}

// trySettle is settle for a caller that can read the payment again.
func (s *Service) trySettle(ctx context.Context, via route, orderID uuid.UUID, paymentKey string, answer Answer) error {
	var disputed string
	err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		disputed = ""
		p, err := s.sql.LockPayment(ctx, tx, orderID)
		if err != nil {
			return fmt.Errorf("lock payment: %w", err)
		}
		a, err := s.sql.AttemptByPaymentKey(ctx, tx, paymentKey)
		if errors.Is(err, pgx.ErrNoRows) {
			if !answer.foundOf(p) {
				return nil
			}
			a, err = s.adopt(ctx, tx, p, paymentKey)
		}
		if err != nil {
			return fmt.Errorf("read attempt: %w", err)
		}
		if a.OrderID != p.OrderID {
			return fmt.Errorf("payment key of order %s was settled for order %s", a.OrderID, p.OrderID)
		}
		c := change{Service: s, tx: tx, now: s.clock(), payment: p, attempt: a, disputed: &disputed}
		if err := c.take(ctx, answer); err != nil {
			return err
		}
		via.commit.Hit()
		return nil
	})
	if err != nil {
		return err
	}
	via.committed.Hit()
	if disputed != "" {
		s.log.ErrorContext(ctx, "Toss says of a payment what cannot be; a person has to decide", "order", orderID, "code", disputed)
		s.alerts.WithLabelValues("disputed").Inc()
	}
	return nil
}

// foundOf says whether the gateway has money of an order under a key that we never asked about.
func (a Answer) foundOf(p db.Payment) bool {
	switch a.Outcome {
	case OutcomePaid, OutcomeDeposit:
		return true
	case OutcomeMismatch:
		return p.OrderNumber != nil && a.OrderNumber == *p.OrderNumber
	}
	return false
}

// change is one transaction on a locked payment.
type change struct {
	*Service
	tx      pgx.Tx
	now     time.Time
	payment db.Payment
	attempt db.Attempt

	disputed *string // why it goes to a person
}

// take takes in what was said.
func (c change) take(ctx context.Context, answer Answer) error {
	switch answer.Outcome {
	case OutcomePaid:
		return c.paid(ctx, answer)
	case OutcomeDeposit:
		return c.deposit(ctx, answer)
	case OutcomeDeclined:
		return c.declined(ctx, answer)
	case OutcomePartial, OutcomeCanceled:
		return c.back(ctx, answer)
	case OutcomeMismatch:
		return c.dispute(ctx, answer)
	}
	return c.postpone(ctx, answer.Code)
}

// adopt makes an attempt of a payment that the gateway knows and we do not: the shop's database was restored, or the payment
// was confirmed past it.
func (s *Service) adopt(ctx context.Context, tx pgx.Tx, p db.Payment, paymentKey string) (db.Attempt, error) {
	id := uuid.Must(uuid.NewV7())
	now := s.clock()
	return s.sql.InsertAttempt(ctx, tx, db.InsertAttemptParams{
		ID: id, OrderID: p.OrderID, PaymentKey: paymentKey, AccountID: p.AccountID, TossKey: tossKey(p.OrderID, id), SentAt: now,
		NextAt: now.Add(backoff(0)),
	})
}

// paid takes in money. Where the order can't use it any more, it is on its way back in the same transaction.
func (c change) paid(ctx context.Context, answer Answer) error {
	if c.attempt.State == attemptCaptured {
		return c.back(ctx, answer)
	}
	if c.payment.OrderNumber == nil || answer.AmountWon != c.payment.AmountWon || answer.OrderNumber != *c.payment.OrderNumber {
		return c.dispute(ctx, answer.with("SHOP_OTHER_ORDER")) // whoever asked has compared them; this is the last gate
	}
	if err := c.settled(ctx, attemptCaptured, "", answer.Secret); err != nil {
		return err
	}
	if err := c.withdrawn(ctx, payments.RefundStateRefused, "PAID"); err != nil {
		return err
	}
	approved := c.now
	if answer.ApprovedAt != nil {
		approved = answer.ApprovedAt.UTC()
	}
	switch c.payment.State {
	case string(payments.StateClosed):
		return c.stray(ctx, "it came after the order had ended")
	case string(payments.StateCaptured):
		return c.stray(ctx, "the order was paid already")
	}
	version, err := c.sql.CapturePayment(ctx, c.tx, db.CapturePaymentParams{
		OrderID: c.payment.OrderID, AttemptID: &c.attempt.ID, Method: answer.Method, ReceiptUrl: answer.ReceiptURL, ApprovedAt: &approved, At: c.now,
	})
	if err != nil {
		return fmt.Errorf("capture payment: %w", err)
	}
	if err := c.transfer(ctx, "capture", c.attempt.ID, accountToss, accountOrders, c.payment.AmountWon); err != nil {
		return err
	}
	if err := c.note(ctx, c.tx, c.payment, c.now, kindCaptured, c.payment.AmountWon, answer.Method); err != nil {
		return err
	}
	return c.outbox.Add(ctx, c.tx, payments.Captured{
		OrderID: c.payment.OrderID, Version: version, AmountWon: c.payment.AmountWon, Method: answer.Method, At: approved,
	})
}

// stray takes in money that nobody may keep.
func (c change) stray(ctx context.Context, why string) error {
	if err := c.transfer(ctx, "capture", c.attempt.ID, accountToss, accountStrays, c.payment.AmountWon); err != nil {
		return err
	}
	if err := c.note(ctx, c.tx, c.payment, c.now, kindCaptured, c.payment.AmountWon, why); err != nil {
		return err
	}
	_, err := c.sql.InsertRefund(ctx, c.tx, db.InsertRefundParams{
		ID: uuid.Must(uuid.NewV7()), OrderID: c.payment.OrderID, AttemptID: c.attempt.ID, Kind: refundStray, AmountWon: c.payment.AmountWon,
		Reason: "주문이 종료되어 환불합니다", At: c.now,
	})
	if err != nil {
		return fmt.Errorf("insert refund of stray money: %w", err)
	}
	c.log.WarnContext(ctx, "money came that the order can't use; it goes back", "order", c.payment.OrderID, "amount_won", c.payment.AmountWon, "why", why)
	return c.note(ctx, c.tx, c.payment, c.now, kindRefundRequested, c.payment.AmountWon, why)
}

// deposit notes that an account was opened for the shopper to pay into, and has it withdrawn once nobody may pay any more: at once where
// the order cannot wait.
func (c change) deposit(ctx context.Context, answer Answer) error {
	switch c.attempt.State {
	case attemptCaptured:
		return c.dispute(ctx, answer.with("SHOP_DEPOSIT_TAKEN_BACK")) // by the bank
	case attemptDeclined, attemptDisputed:
		return nil
	}
	due := answer.DepositDue
	if due == nil {
		due = &c.payment.ExpiresAt
	}
	current := c.payment.AttemptID != nil && *c.payment.AttemptID == c.attempt.ID
	if c.attempt.State == attemptSent && current && c.payment.State == string(payments.StateConfirming) {
		n, err := c.sql.AwaitDeposit(ctx, c.tx, db.AwaitDepositParams{
			OrderID: c.payment.OrderID, AttemptID: &c.attempt.ID, DueAt: due, Method: answer.Method, At: c.now,
		})
		if err := one(n, err); err != nil {
			return fmt.Errorf("await deposit: %w", err)
		}
		c.payment.State = stateAwaitingDeposit
		if err := c.note(ctx, c.tx, c.payment, c.now, kindConfirming, c.payment.AmountWon, "a deposit is awaited until "+due.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	if c.attempt.State == attemptSent {
		if err := c.settled(ctx, stateAwaitingDeposit, "", answer.Secret); err != nil {
			return err
		}
	}
	if current && c.payment.State == stateAwaitingDeposit && !answer.Overdue && !c.payment.NoDeposit && c.now.Before(due.Add(time.Minute)) {
		return c.sql.PostponeAttempt(ctx, c.tx, db.PostponeAttemptParams{ID: c.attempt.ID, NextAt: c.now.Add(backoff(10))})
	}
	return c.withdraw(ctx)
}

// withdraw has the account closed into which nobody paid, so that nobody can any more.
func (c change) withdraw(ctx context.Context) error {
	refunds, err := c.sql.RefundsOf(ctx, c.tx, c.payment.OrderID)
	if err != nil {
		return fmt.Errorf("read refunds: %w", err)
	}
	for _, r := range refunds {
		if r.AttemptID == c.attempt.ID && r.State == string(payments.RefundStateRefused) {
			return c.dispute(ctx, Answer{Code: "SHOP_DEPOSIT_NOT_WITHDRAWN"})
		}
	}
	_, err = c.sql.InsertRefund(ctx, c.tx, db.InsertRefundParams{
		ID: uuid.Must(uuid.NewV7()), OrderID: c.payment.OrderID, AttemptID: c.attempt.ID, Kind: refundDeposit, AmountWon: c.payment.AmountWon,
		Reason: "입금 기한이 지났습니다", At: c.now,
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // no row: it is under way
		return fmt.Errorf("insert withdrawal: %w", err)
	}
	return c.sql.PostponeAttempt(ctx, c.tx, db.PostponeAttemptParams{ID: c.attempt.ID, NextAt: c.now.Add(backoff(c.attempt.Tries))})
}

// withdrawn ends the withdrawal of an account, if there is one: done, or refused because somebody did pay into it.
func (c change) withdrawn(ctx context.Context, state payments.RefundState, code string) error {
	if c.attempt.State == attemptSent {
		return nil // there was no account yet
	}
	r, err := c.sql.WithdrawalOf(ctx, c.tx, c.attempt.ID)
	if err == nil {
		_, err = c.sql.FinishRefund(ctx, c.tx, db.FinishRefundParams{ID: r.ID, State: string(state), Code: code, DoneAt: &c.now})
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("end a withdrawal: %w", err)
	}
	return nil
}

// declined ends an attempt without money; the order can be paid in another way until it expires. A person's doubts end with it.
func (c change) declined(ctx context.Context, answer Answer) error {
	switch c.attempt.State {
	case attemptCaptured:
		return c.dispute(ctx, answer)
	case attemptDeclined:
		return nil
	}
	if err := c.settled(ctx, attemptDeclined, answer.Code, ""); err != nil {
		return err
	}
	if err := c.withdrawn(ctx, payments.RefundStateDone, answer.Code); err != nil {
		return err
	}
	if _, err := c.sql.ReopenPayment(ctx, c.tx, db.ReopenPaymentParams{OrderID: c.payment.OrderID, AttemptID: &c.attempt.ID, At: c.now}); err != nil {
		return fmt.Errorf("reopen payment: %w", err) // no row: another attempt was faster
	}
	return c.note(ctx, c.tx, c.payment, c.now, kindDeclined, 0, answer.Code)
}

// back compares what the gateway gave back of a payment with what we know of. One refund at most is under way: it is done, or it is not,
// or somebody gave money back past us, at the gateway's own desk. When that is all there was and none is under way, it is taken in as a
// refund; anything else goes to a person.
func (c change) back(ctx context.Context, answer Answer) error {
	switch {
	case c.attempt.State == attemptCaptured:
	case answer.Outcome == OutcomeCanceled:
		return c.declined(ctx, answer.with("CANCELED"))
	default:
		return c.dispute(ctx, answer)
	}
	known, err := c.sql.ReturnedOf(ctx, c.tx, db.ReturnedOfParams{OrderID: c.payment.OrderID, AttemptID: c.attempt.ID})
	if err != nil {
		return fmt.Errorf("sum refunds: %w", err)
	}
	more := answer.BackWon - known.Won
	if more == 0 {
		return c.doubt(ctx, "")
	}
	r, err := c.sql.OpenRefundOf(ctx, c.tx, c.attempt.ID)
	if errors.Is(err, pgx.ErrNoRows) && answer.Outcome == OutcomeCanceled {
		kind := refundOrder
		if c.payment.AttemptID == nil || *c.payment.AttemptID != c.attempt.ID || c.payment.State != string(payments.StateCaptured) {
			kind = refundStray
		}
		r, err = c.sql.InsertRefund(ctx, c.tx, db.InsertRefundParams{
			ID: uuid.Must(uuid.NewV7()), OrderID: c.payment.OrderID, AttemptID: c.attempt.ID, Kind: kind, AmountWon: more,
			Reason: "canceled at Toss", At: c.now,
		})
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read refund: %w", err)
	}
	if err == nil && r.AmountWon == more {
		if err := c.doubt(ctx, ""); err != nil {
			return err
		}
		return c.refunded(ctx, r)
	}
	if answer.asked.Before(known.At.Add(doubtAfter)) {
		return errTooSoon
	}
	return c.dispute(ctx, answer.with(codeBalance))
}

// refunded finishes a refund, once.
func (c change) refunded(ctx context.Context, r db.Refund) error {
	_, err := c.sql.FinishRefund(ctx, c.tx, db.FinishRefundParams{ID: r.ID, State: string(payments.RefundStateDone), DoneAt: &c.now})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // it was told before
	}
	if err != nil {
		return fmt.Errorf("finish refund: %w", err)
	}
	from := accountOrders
	if r.Kind == refundStray {
		from = accountStrays
	}
	if err := c.transfer(ctx, "refund", r.ID, from, accountToss, r.AmountWon); err != nil {
		return err
	}
	if err := c.note(ctx, c.tx, c.payment, c.now, kindRefunded, r.AmountWon, r.Reason); err != nil {
		return err
	}
	if r.Kind == refundStray {
		return nil // no order ever had this money
	}
	version, err := c.sql.RecordRefund(ctx, c.tx, db.RecordRefundParams{OrderID: c.payment.OrderID, AmountWon: r.AmountWon, At: c.now})
	if err != nil {
		return fmt.Errorf("record refund: %w", err)
	}
	return c.outbox.Add(ctx, c.tx, payments.Refunded{OrderID: c.payment.OrderID, Version: version, RefundID: r.ID, AmountWon: r.AmountWon, At: c.now})
}

// postpone changes nothing but when the gateway is asked again.
func (c change) postpone(ctx context.Context, code string) error {
	if c.attempt.State != attemptSent && c.attempt.State != stateAwaitingDeposit {
		return nil
	}
	err := c.sql.PostponeAttempt(ctx, c.tx, db.PostponeAttemptParams{ID: c.attempt.ID, Code: code, NextAt: c.now.Add(backoff(c.attempt.Tries))})
	if err != nil {
		return fmt.Errorf("postpone attempt: %w", err)
	}
	return nil
}

// settled sets the attempt's state, compared with the one that was read under the lock.
func (c change) settled(ctx context.Context, state, code, secret string) error {
	if secret == "" {
		secret = c.attempt.Secret
	}
	n, err := c.sql.SettleAttempt(ctx, c.tx, db.SettleAttemptParams{
		ID: c.attempt.ID, Was: c.attempt.State, State: state, Code: code, Secret: secret, SettledAt: &c.now, NextAt: c.now.Add(backoff(0)),
	})
	if err := one(n, err); err != nil {
		return fmt.Errorf("settle attempt: %w", err)
	}
	return nil
}

// one is an error unless exactly one row was changed, as it must be under the lock.
func one(n int64, err error) error {
	if err == nil && n != 1 {
		return fmt.Errorf("%d rows changed instead of one", n)
	}
	return err
}

func (c change) transfer(ctx context.Context, kind string, source uuid.UUID, debit, credit string, won int64) error {
	err := c.sql.InsertTransfer(ctx, c.tx, db.InsertTransferParams{
		OrderID: c.payment.OrderID, Kind: kind, SourceID: source, DebitAccount: debit, CreditAccount: credit, AmountWon: won, At: c.now,
	})
	if err != nil {
		return fmt.Errorf("write to the ledger: %w", err)
	}
	return nil
}

// note writes a line of a payment's history.
func (s *Service) note(ctx context.Context, tx pgx.Tx, p db.Payment, at time.Time, kind string, won int64, detail string) error {
	err := s.sql.InsertHistory(ctx, tx, db.InsertHistoryParams{OrderID: p.OrderID, At: at, Kind: kind, AmountWon: won, Detail: detail})
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}
