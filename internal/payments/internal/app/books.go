package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/payments/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

// Graces of the books: how long what is under way may take.
const (
	graceOpen    = time.Hour        // after an order's time to be paid is over, to be closed
	graceDue     = 15 * time.Minute // after an attempt is due, to be asked about
	graceRefund  = 24 * time.Hour   // after a refund was asked for, to be done or refused
	graceWebhook = time.Hour        // after a webhook came, to be followed
)

// Books are what must hold of the module's books.
func Books(s *Service) []books.Invariant {
	b := ledger{s}
	return []books.Invariant{
		b.since("ledger.sum", "every transfer moves an amount between two accounts of the books, so that they sum to zero", b.transfers),
		b.since("ledger.balance", "no order gave back more than had come for it", b.orders(b.balances)),
		b.since("payments.ledger", "what an order was paid and refunded is what the ledger says", b.orders(b.payments)),
		b.since("payments.attempt", "a payment's state is its attempt's", b.orders(b.attempts)),
		b.since("orders.paid_once", "no order keeps the money of two payments", b.orders(b.twice)),
		b.since("strays.returned", "money that no order can use is on its way back", b.orders(b.strays)),
		b.since("refunds.ledger", "a refund that is done moved its money, and no other did", b.orders(b.refunds)),
		b.now("payments.closed", "no payment is open long after its order's time to be paid", b.open),
		b.now("attempts.one_in_flight", "no order has two confirms without an outcome", b.inFlight),
		b.now("attempts.answered", "every confirm without an outcome is asked about", b.unanswered),
		b.now("attempts.undisputed", "Toss says nothing that cannot be", b.inDoubt),
		b.now("refunds.age", "no refund is neither done nor refused for longer than a day", b.refundsDue),
		b.now("webhooks.processed", "no webhook waits for longer than an hour", b.webhooks),
	}
}

// ledger looks at the books of a service.
type ledger struct{ *Service }

// step is about how many rows of history one statement looks at.
const step = 30_000

// chunk is what one statement looks at: rows of history and ledger after these, up to those.
type chunk = db.TouchedParams

// finding is what one look found: how much there was, and what of it is wrong.
type finding struct {
	looked int64
	wrong  []books.Mismatch
}

func (f *finding) add(g finding) { f.looked, f.wrong = f.looked+g.looked, append(f.wrong, g.wrong...) }

// since is an invariant of what changes only with a row in history or ledger: a look is at what came after the checkpoint.
func (l ledger) since(name, says string, look func(ctx context.Context, tx pgx.Tx, c chunk) (finding, error)) books.Invariant {
	return books.Invariant{Module: "payments", Name: name, Says: says, Check: func(ctx context.Context, from string) (out books.Finding, err error) {
		var history, transfers int64
		if from != "" {
			if _, err := fmt.Sscanf(from, "%d.%d", &history, &transfers); err != nil {
				return out, fmt.Errorf("read the checkpoint %q: %w", from, err)
			}
		}
		err = books.Snapshot(ctx, l.pool, func(tx pgx.Tx) error {
			end, err := l.sql.Marks(ctx, tx, l.clock().Add(-books.Late))
			if err != nil {
				return fmt.Errorf("find the next checkpoint: %w", err)
			}
			if history > end.History || transfers > end.Ledger {
				history, transfers = 0, 0 // an older database was put back: the checkpoint is another one's
			}
			out.Through = fmt.Sprintf("%d.%d", max(history, end.OldHistory), max(transfers, end.OldLedger))
			// Both are walked through in as many chunks: they tell of the same orders, more or less.
			chunks := 1 + max(end.History-history, end.Ledger-transfers)/step
			byHistory, byLedger := 1+(end.History-history)/chunks, 1+(end.Ledger-transfers)/chunks
			var all finding
			over, firstHistory, firstLedger := books.Spent(ctx, 0.5), history, transfers
			for ; (history < end.History || transfers < end.Ledger) && len(all.wrong) < books.MostWrong; history, transfers = history+byHistory, transfers+byLedger {
				found, err := look(ctx, tx, chunk{History: history, HistoryTo: history + byHistory, Ledger: transfers, LedgerTo: transfers + byLedger})
				if err != nil {
					return err
				}
				if all.add(found); over() && (history+byHistory < end.History || transfers+byLedger < end.Ledger) {
					out.Short = true
					out.Through = fmt.Sprintf("%d.%d", max(firstHistory, min(history+byHistory, end.OldHistory)), max(firstLedger, min(transfers+byLedger, end.OldLedger)))
					break
				}
			}
			out.Looked, out.Wrong = all.looked, distinct(all.wrong)
			return nil
		})
		return out, err
	}}
}

// orders is a look at the orders that a chunk is about.
func (l ledger) orders(look func(ctx context.Context, tx pgx.Tx, orders []uuid.UUID) (finding, error)) func(context.Context, pgx.Tx, chunk) (finding, error) {
	return func(ctx context.Context, tx pgx.Tx, c chunk) (finding, error) {
		orders, err := l.sql.Touched(ctx, tx, c)
		if err != nil {
			return finding{}, fmt.Errorf("find what changed: %w", err)
		}
		f, err := look(ctx, tx, orders)
		f.looked = int64(len(orders))
		return f, err
	}
}

// distinct leaves out what was found twice: an order may have rows in several chunks.
func distinct(wrong []books.Mismatch) (once []books.Mismatch) {
	seen := map[books.Mismatch]bool{}
	for _, w := range wrong {
		if !seen[w] {
			once = append(once, w)
		}
		seen[w] = true
	}
	return once[:min(len(once), books.MostWrong)]
}

// now is an invariant of what is not final, which is never much.
func (l ledger) now(name, says string, look func(ctx context.Context, tx pgx.Tx, now time.Time) (finding, error)) books.Invariant {
	return books.Invariant{Module: "payments", Name: name, Says: says, Check: func(ctx context.Context, _ string) (found books.Finding, err error) {
		err = books.Snapshot(ctx, l.pool, func(tx pgx.Tx) error {
			f, err := look(ctx, tx, l.clock())
			found = books.Finding{Looked: f.looked, Wrong: f.wrong}
			return err
		})
		return found, err
	}}
}

// found makes a finding of a count and of the rows that are wrong.
func found[R any](looked int64, counting error, rows []R, reading error, wrong func(R) books.Mismatch) (f finding, err error) {
	if counting != nil {
		return f, fmt.Errorf("count: %w", counting)
	}
	if reading != nil {
		return f, fmt.Errorf("look: %w", reading)
	}
	f.looked = looked
	for _, r := range rows {
		f.wrong = append(f.wrong, wrong(r))
	}
	return f, nil
}

func (l ledger) transfers(ctx context.Context, tx pgx.Tx, c chunk) (finding, error) {
	n, counting := l.sql.CountTransfers(ctx, tx, db.CountTransfersParams{Ledger: c.Ledger, LedgerTo: c.LedgerTo})
	rows, err := l.sql.TransfersOffBooks(ctx, tx, db.TransfersOffBooksParams{Ledger: c.Ledger, LedgerTo: c.LedgerTo, AtMost: books.MostWrong})
	return found(n, counting, rows, err, func(r db.TransfersOffBooksRow) books.Mismatch {
		return books.Mismatch{
			Subject: fmt.Sprint(r.ID),
			Detail:  fmt.Sprintf("a %s of order %s moves %d won from %s to %s", r.Kind, r.OrderID, r.AmountWon, r.CreditAccount, r.DebitAccount),
		}
	})
}

func (l ledger) balances(ctx context.Context, tx pgx.Tx, orders []uuid.UUID) (finding, error) {
	rows, err := l.sql.GivenBackTooMuch(ctx, tx, db.GivenBackTooMuchParams{OrderIds: orders, AtMost: books.MostWrong})
	return found(0, nil, rows, err, func(r db.GivenBackTooMuchRow) books.Mismatch {
		return books.Wrong(r.OrderID, "the ledger leaves %d won with the order and %d won of stray money", r.OrdersWon, r.StraysWon)
	})
}

func (l ledger) payments(ctx context.Context, tx pgx.Tx, orders []uuid.UUID) (finding, error) {
	rows, err := l.sql.PaymentsOffLedger(ctx, tx, db.PaymentsOffLedgerParams{OrderIds: orders, AtMost: books.MostWrong})
	return found(0, nil, rows, err, func(r db.PaymentsOffLedgerRow) books.Mismatch {
		return books.Wrong(r.OrderID, "%s with %d of %d won refunded, and the ledger leaves %d won with it", r.State, r.RefundedWon, r.AmountWon, r.LedgerWon)
	})
}

func (l ledger) attempts(ctx context.Context, tx pgx.Tx, orders []uuid.UUID) (finding, error) {
	rows, err := l.sql.PaymentsOffAttempts(ctx, tx, db.PaymentsOffAttemptsParams{OrderIds: orders, AtMost: books.MostWrong})
	return found(0, nil, rows, err, func(r db.PaymentsOffAttemptsRow) books.Mismatch {
		return books.Wrong(r.OrderID, "the payment is %s, its attempt %s", r.State, r.AttemptState)
	})
}

func (l ledger) twice(ctx context.Context, tx pgx.Tx, orders []uuid.UUID) (finding, error) {
	rows, err := l.sql.TwiceCaptured(ctx, tx, db.TwiceCapturedParams{OrderIds: orders, AtMost: books.MostWrong})
	return found(0, nil, rows, err, func(r db.TwiceCapturedRow) books.Mismatch {
		return books.Wrong(r.OrderID, "%d payments are captured, and none is going back", r.Kept)
	})
}

func (l ledger) strays(ctx context.Context, tx pgx.Tx, orders []uuid.UUID) (finding, error) {
	rows, err := l.sql.StraysWithoutRefund(ctx, tx, db.StraysWithoutRefundParams{OrderIds: orders, AtMost: books.MostWrong})
	return found(0, nil, rows, err, func(r db.StraysWithoutRefundRow) books.Mismatch {
		return books.Wrong(r.OrderID, "attempt %s brought %d won to an order that is %s, and has no refund", r.AttemptID, r.AmountWon, r.State)
	})
}

func (l ledger) refunds(ctx context.Context, tx pgx.Tx, orders []uuid.UUID) (finding, error) {
	rows, err := l.sql.RefundsOffLedger(ctx, tx, db.RefundsOffLedgerParams{OrderIds: orders, AtMost: books.MostWrong})
	return found(0, nil, rows, err, func(r db.RefundsOffLedgerRow) books.Mismatch {
		return books.Wrong(r.ID, "a refund (%s) of %d won of order %s is %s, and the ledger has %d won of it", r.Kind, r.AmountWon, r.OrderID, r.State, r.LedgerWon)
	})
}

func (l ledger) open(ctx context.Context, tx pgx.Tx, now time.Time) (finding, error) {
	n, counting := l.sql.CountOpen(ctx, tx)
	rows, err := l.sql.OpenTooLong(ctx, tx, db.OpenTooLongParams{Expired: now.Add(-graceOpen), AtMost: books.MostWrong})
	return found(n, counting, rows, err, func(r db.OpenTooLongRow) books.Mismatch {
		return books.Wrong(r.OrderID, "open %s after its time was over, and no order has closed it", age(now, r.ExpiresAt))
	})
}

func (l ledger) inFlight(ctx context.Context, tx pgx.Tx, _ time.Time) (finding, error) {
	n, counting := l.sql.CountInFlight(ctx, tx)
	rows, err := l.sql.SeveralInFlight(ctx, tx, books.MostWrong)
	return found(n, counting, rows, err, func(r db.SeveralInFlightRow) books.Mismatch {
		return books.Wrong(r.OrderID, "%d confirms have no outcome", r.InFlight)
	})
}

func (l ledger) unanswered(ctx context.Context, tx pgx.Tx, now time.Time) (finding, error) {
	n, counting := l.sql.CountInFlight(ctx, tx)
	rows, err := l.sql.Unanswered(ctx, tx, db.UnansweredParams{Due: now.Add(-graceDue), Oldest: now.Add(-personAfter), AtMost: books.MostWrong})
	return found(n, counting, rows, err, func(r db.UnansweredRow) books.Mismatch {
		return books.Wrong(r.OrderID, "attempt %s is %s for %s (%s) and was to be asked about %s ago", r.ID, r.State, age(now, r.SentAt), r.Code, age(now, r.NextAt))
	})
}

func (l ledger) inDoubt(ctx context.Context, tx pgx.Tx, _ time.Time) (finding, error) {
	rows, err := l.sql.InDoubt(ctx, tx, books.MostWrong)
	return found(int64(len(rows)), nil, rows, err, func(r db.InDoubtRow) books.Mismatch {
		return books.Wrong(r.OrderID, "attempt %s is %s, and Toss says %s", r.ID, r.State, r.Code)
	})
}

func (l ledger) refundsDue(ctx context.Context, tx pgx.Tx, now time.Time) (finding, error) {
	n, counting := l.sql.CountRefundsDue(ctx, tx)
	rows, err := l.sql.RefundsTooLong(ctx, tx, db.RefundsTooLongParams{Requested: now.Add(-graceRefund), AtMost: books.MostWrong})
	return found(n, counting, rows, err, func(r db.RefundsTooLongRow) books.Mismatch {
		return books.Wrong(r.ID, "a refund (%s) of order %s is %s for %s (%s)", r.Kind, r.OrderID, r.State, age(now, r.RequestedAt), r.Code)
	})
}

func (l ledger) webhooks(ctx context.Context, tx pgx.Tx, now time.Time) (finding, error) {
	n, counting := l.sql.CountWebhooks(ctx, tx)
	rows, err := l.sql.WebhooksTooLong(ctx, tx, db.WebhooksTooLongParams{Received: now.Add(-graceWebhook), AtMost: books.MostWrong})
	return found(n, counting, rows, err, func(r db.WebhooksTooLongRow) books.Mismatch {
		return books.Mismatch{Subject: r.TransmissionID, Detail: fmt.Sprintf("came %s ago and was tried %d times (%s)", age(now, r.ReceivedAt), r.Tries, r.Outcome)}
	})
}

func age(now, then time.Time) time.Duration { return now.Sub(then).Truncate(time.Second) }
