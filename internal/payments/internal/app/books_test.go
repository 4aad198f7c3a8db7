package app_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/app"
	"github.com/sasapick/shop/internal/payments/internal/emulator"
	"github.com/sasapick/shop/internal/platform/books"
)

// auditor looks at the books from where the last look got to, if that was sound.
type auditor struct {
	shop
	through map[string]string
}

func (s shop) auditor() *auditor { return &auditor{s, map[string]string{}} }

// look returns what is wrong, by invariant.
func (a *auditor) look() map[string][]books.Mismatch {
	a.t.Helper()
	wrong := map[string][]books.Mismatch{}
	for _, i := range app.Books(a.instances[0]) {
		found, err := i.Check(a.t.Context(), a.through[i.Name])
		require.NoError(a.t, err, i.Name)
		if len(found.Wrong) > 0 {
			wrong[i.Name] = found.Wrong
		} else {
			a.through[i.Name] = found.Through
		}
	}
	return wrong
}

// A violation of each invariant is named, by that invariant and with what is wrong, by a look at everything and by one from a checkpoint.
func TestBooks(t *testing.T) {
	t.Parallel()

	refund := `INSERT INTO payments.refunds (id, order_id, attempt_id, kind, state, amount_won, reason, requested_at, next_at, done_at)
		SELECT '00000000-0000-7000-8000-000000000001', order_id, id, '%KIND', '%STATE', 23000, 'r', '2026-01-02', '2026-01-02', '2026-01-02' FROM payments.attempts WHERE order_id = '%ID'`
	attempt := `INSERT INTO payments.attempts (id, order_id, number, payment_key, account_id, idempotency_key, request_hash, toss_key, state, sent_at, next_at)
		SELECT gen_random_uuid(), order_id, 7, 'pk7', account_id, 'k7', '\x00', 'tk7', '%STATE', sent_at, next_at FROM payments.attempts WHERE order_id = '%ID'`
	const refundID = "00000000-0000-7000-8000-000000000001"
	for name, c := range map[string]struct {
		order string // what it is before
		seed  string
		want  []string // the invariants that name it
		about string   // what they name; empty: the order
	}{
		"ATransferToNowhere": {
			order: "paid", want: []string{"ledger.sum"}, about: "6", // the sixth transfer
			seed: `ALTER TABLE payments.ledger DROP CONSTRAINT ledger_debit_account_check;
				UPDATE payments.ledger SET debit_account = 'nowhere' WHERE order_id = '%ID'`,
		},
		"ATransferOfNothing": {
			order: "paid", want: []string{"ledger.sum", "payments.ledger"}, about: "-",
			seed: `ALTER TABLE payments.ledger DROP CONSTRAINT ledger_amount_won_check; UPDATE payments.ledger SET amount_won = 0 WHERE order_id = '%ID'`,
		},
		"MoreWentBackThanCame": {
			order: "refunded", want: []string{"ledger.balance", "payments.ledger"},
			seed: `INSERT INTO payments.ledger (order_id, kind, source_id, debit_account, credit_account, amount_won, at)
				SELECT order_id, 'refund', gen_random_uuid(), 'orders', 'toss', 1, at FROM payments.ledger WHERE order_id = '%ID' LIMIT 1`,
		},
		"PartsThatAreMoreThanCame": {
			order: "partly", want: []string{"ledger.balance", "payments.ledger"},
			seed: `INSERT INTO payments.ledger (order_id, kind, source_id, debit_account, credit_account, amount_won, at)
				SELECT order_id, 'refund', gen_random_uuid(), 'orders', 'toss', 18001, at FROM payments.ledger WHERE order_id = '%ID' LIMIT 1`,
		},
		"StrayMoneyWentBackTwice": {
			order: "paid", want: []string{"ledger.balance"},
			seed: `INSERT INTO payments.ledger (order_id, kind, source_id, debit_account, credit_account, amount_won, at)
				SELECT order_id, 'refund', gen_random_uuid(), 'strays', 'toss', 1, at FROM payments.ledger WHERE order_id = '%ID' LIMIT 1`,
		},
		"ACaptureWithoutATransfer": {
			order: "paid", want: []string{"payments.ledger"},
			seed: `DELETE FROM payments.ledger WHERE order_id = '%ID'`,
		},
		"ATransferOfAnotherAmount": {
			order: "paid", want: []string{"payments.ledger"},
			seed: `UPDATE payments.ledger SET amount_won = amount_won + 1 WHERE order_id = '%ID'`,
		},
		"ARefundThatThePaymentForgot": {
			order: "refunded", want: []string{"payments.ledger"},
			seed: `UPDATE payments.payments SET refunded_won = 0 WHERE order_id = '%ID'`,
		},
		"APartThatThePaymentForgot": {
			order: "partly", want: []string{"payments.ledger"},
			seed: `UPDATE payments.payments SET refunded_won = 0 WHERE order_id = '%ID'`,
		},
		"APaymentThatForgotItsAttempt": {
			order: "open", want: []string{"payments.attempt"},
			seed: `INSERT INTO payments.attempts (id, order_id, number, payment_key, toss_key, state, sent_at, next_at)
				VALUES ('00000000-0000-7000-8000-000000000002', '%ID', 1, 'pk1', 'tk1', 'declined', '2026-01-02', '2026-01-02');
				UPDATE payments.payments SET state = 'confirming', attempt_id = '00000000-0000-7000-8000-000000000002' WHERE order_id = '%ID'`,
		},
		"TwoPaymentsKept": {
			order: "paid", want: []string{"orders.paid_once", "strays.returned"},
			seed: replaced(attempt, "%STATE", "captured"),
		},
		"TwoPaymentsKeptButForAPart": {
			order: "partly", want: []string{"orders.paid_once", "strays.returned"},
			seed: replaced(attempt, "%STATE", "captured"),
		},
		"StrayMoneyKept": {
			order: "stray", want: []string{"strays.returned"},
			seed: `DELETE FROM payments.refunds WHERE order_id = '%ID'`,
		},
		"StrayMoneyKeptButForAPart": {
			order: "stray", want: []string{"strays.returned"},
			seed: `UPDATE payments.refunds SET kind = 'part' WHERE order_id = '%ID'`,
		},
		"ARefundWithoutATransfer": {
			order: "paid", want: []string{"refunds.ledger"}, about: refundID,
			seed: replaced(refund, "%KIND", "order", "%STATE", "done"),
		},
		"APartWithoutATransfer": {
			order: "paid", want: []string{"refunds.ledger"}, about: refundID,
			seed: replaced(refund, "%KIND", "part", "%STATE", "done"),
		},
		"APartOfAnotherAmount": {
			order: "partly", want: []string{"refunds.ledger"}, about: "-",
			seed: `UPDATE payments.refunds SET amount_won = amount_won + 1 WHERE order_id = '%ID'`,
		},
		"APartOfYesterday": {
			order: "partly", want: []string{"refunds.age"}, about: refundID,
			seed: replaced(refund, "%KIND", "part", "%STATE", "sent") + `; UPDATE payments.refunds SET requested_at = '2026-01-01 02:00:00Z' WHERE order_id = '%ID'`,
		},
		"ATransferOfARefundThatIsNotDone": {
			order: "refunded", want: []string{"refunds.ledger"}, about: "-",
			seed: `UPDATE payments.refunds SET state = 'refused' WHERE order_id = '%ID'`,
		},
		"OpenForTooLong": {
			order: "open", want: []string{"payments.closed"},
			seed: `UPDATE payments.payments SET expires_at = '2026-01-02 02:00:00Z' WHERE order_id = '%ID'`,
		},
		"TwoConfirmsAtOnce": {
			order: "confirming", want: []string{"attempts.one_in_flight"},
			seed: replaced(attempt, "%STATE", "sent"),
		},
		"NobodyAsks": {
			order: "confirming", want: []string{"attempts.answered"},
			seed: `UPDATE payments.attempts SET next_at = '2026-01-02 02:00:00Z' WHERE order_id = '%ID'`,
		},
		"NobodyMayAsk": {
			order: "confirming", want: []string{"attempts.answered"},
			seed: `UPDATE payments.attempts SET sent_at = '2025-12-19' WHERE order_id = '%ID'`,
		},
		"Disputed": {
			order: "confirming", want: []string{"attempts.undisputed"},
			seed: `UPDATE payments.attempts SET state = 'disputed', code = 'SHOP_OTHER_AMOUNT' WHERE order_id = '%ID'`,
		},
		"CapturedAndDoubted": {
			order: "paid", want: []string{"attempts.undisputed"},
			seed: `UPDATE payments.attempts SET code = 'SHOP_OTHER_BALANCE' WHERE order_id = '%ID'`,
		},
		"ARefundOfYesterday": {
			order: "paid", want: []string{"refunds.age"}, about: refundID,
			seed: replaced(refund, "%KIND", "order", "%STATE", "sent") + `; UPDATE payments.refunds SET requested_at = '2026-01-01 02:00:00Z' WHERE order_id = '%ID'`,
		},
		"AWebhookThatNobodyFollowed": {
			order: "open", want: []string{"webhooks.processed"}, about: "t-1",
			seed: `INSERT INTO payments.webhooks (transmission_id, received_at, body, next_at) VALUES ('t-1', '2026-01-02 02:00:00Z', '{}', '2026-01-03')`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := setup(t)
			others := s.auditor()
			s.ordersOfEachKind()
			fresh := s.auditor()
			require.Empty(t, fresh.look())
			s.clock.Advance(books.Late)
			require.Empty(t, others.look(), "it is a checkpoint from here on")
			require.NotEqual(t, "0.0", others.through["payments.ledger"])

			s.clock.Advance(-books.Late)
			o := s.of(c.order)
			require.Empty(t, others.look())
			s.sabotage(replaced(c.seed, "%ID", o.id.String()))
			for look, a := range map[string]*auditor{"everything": s.auditor(), "from a checkpoint": others} {
				wrong := a.look()
				var names []string
				for name, found := range wrong {
					names = append(names, name)
					require.Len(t, found, 1, "%s: %v", look, found)
					switch c.about {
					case "":
						require.Equal(t, o.id.String(), found[0].Subject, look)
					case "-":
					default:
						require.Equal(t, c.about, found[0].Subject, look)
					}
					require.NotEmpty(t, found[0].Detail)
				}
				require.ElementsMatch(t, c.want, names, "%s: %v", look, wrong)
			}
		})
	}
}

// ordersOfEachKind are an order in each state that lasts.
func (s shop) ordersOfEachKind() {
	s.t.Helper()
	for _, kind := range []string{"open", "closed", "confirming", "partly", "refunded", "stray"} {
		s.of(kind)
	}
}

// of is an order in a state.
func (s shop) of(kind string) (o order) {
	s.t.Helper()
	switch kind {
	case "open":
		return s.open()
	case "paid":
		o, _ = s.paid()
		return o
	case "partly":
		o, _ = s.paid()
		require.Equal(s.t, payments.RefundStateDone, s.part(o, uuid.New(), 5000).Refund.State)
		return o
	case "refunded":
		o, _ = s.paid()
		p, err := s.instances[0].Refund(s.t.Context(), payments.RefundInput{OrderID: o.id})
		require.NoError(s.t, err)
		require.Equal(s.t, payments.RefundStateDone, p.Refund.State)
		return o
	}
	o = s.open()
	key := s.authorize(o, "카드")
	switch kind {
	case "confirming":
		require.NoError(s.t, s.instances[0].Start(s.t.Context(), o.id, o.confirmInput(key, "k")))
	case "closed", "stray":
		_, err := s.instances[0].Close(s.t.Context(), payments.CloseInput{OrderID: o.id})
		require.NoError(s.t, err)
	}
	if kind == "stray" {
		s.toss.Inject(emulator.Fault{Path: "cancel", Kind: emulator.Fault500})
		require.NoError(s.t, s.confirmPastTheShop(o, key))
		require.NoError(s.t, s.instances[0].ReadBack(s.t.Context(), o.id))
		s.toss.Release()
	}
	return o
}

func TestBooksCheckpoints(t *testing.T) {
	t.Parallel()

	s := setup(t)
	a := s.auditor()
	require.Empty(t, a.look())
	o, _ := s.paid()
	require.Empty(t, a.look())
	require.Equal(t, "0.0", a.through["payments.ledger"], "what is young may not be all that there is")
	s.clock.Advance(books.Late)
	require.Empty(t, a.look())
	before := a.through["payments.ledger"]
	require.NotEqual(t, "0.0", before)

	looked := func() int64 {
		for _, i := range app.Books(s.instances[0]) {
			if i.Name == "payments.ledger" {
				found, err := i.Check(t.Context(), a.through[i.Name])
				require.NoError(t, err)
				return found.Looked
			}
		}
		return -1
	}
	require.Zero(t, looked(), "nothing has changed")
	_, err := s.instances[0].Refund(t.Context(), payments.RefundInput{OrderID: o.id})
	require.NoError(t, err)
	require.EqualValues(t, 1, looked(), "an old order that changes is looked at again")

	a.through["payments.ledger"] = "999999.999999"
	require.EqualValues(t, 1, looked(), "a checkpoint of another database's is none")

	for _, i := range app.Books(s.instances[0]) {
		require.Equal(t, "payments", i.Module)
		require.NotEmpty(t, i.Says)
		if a.through[i.Name] != "" {
			_, err := i.Check(t.Context(), "nonsense")
			require.Error(t, err, i.Name)
		}
	}
}

// A look that has no time goes on from where it broke off, and names what is wrong when it comes to it.
func TestBooksBreakOffAndGoOn(t *testing.T) {
	t.Parallel()

	s := setup(t)
	paid := s.of("paid")
	s.sabotage(replaced(`INSERT INTO payments.history (order_id, at, kind) SELECT '%ID', '2026-01-01', 'note' FROM generate_series(1, 100000);
		DELETE FROM payments.ledger WHERE order_id = '%ID'`, "%ID", paid.id.String()))
	var from string
	looks, wrong := 0, 0
	for short := true; short; looks++ {
		require.Less(t, looks, 10, "it does not come to an end")
		for _, i := range app.Books(s.instances[0]) {
			if i.Name == "payments.ledger" {
				found, err := i.Check(books.Hurried(t.Context()), from)
				require.NoError(t, err)
				require.NotEqual(t, from, found.Through, "it goes on")
				from, short, wrong = found.Through, found.Short, wrong+len(found.Wrong)
			}
		}
	}
	require.Equal(t, 4, looks)
	require.Equal(t, looks, wrong, "the order is in every part of the history")
}

func TestAccounts(t *testing.T) {
	t.Parallel()

	s := setup(t)
	open, paid, refunded, stray, confirming := s.of("open"), s.of("paid"), s.of("refunded"), s.of("stray"), s.of("confirming")
	partly, partDue := s.of("partly"), s.of("partly")
	_, err := s.instances[0].RequestOnly(t.Context(), payments.RefundInput{OrderID: partDue.id, RefundID: uuid.New(), AmountWon: 1})
	require.NoError(t, err)
	due := s.of("paid")
	_, err = s.instances[0].RequestOnly(t.Context(), payments.RefundInput{OrderID: due.id})
	require.NoError(t, err)
	tombstone := uuid.Must(uuid.NewV7())
	_, err = s.instances[0].Close(t.Context(), payments.CloseInput{OrderID: tombstone})
	require.NoError(t, err)
	deposit := s.open()
	_, err = s.confirm(0, deposit, s.authorize(deposit, "가상계좌"), "k")
	require.NoError(t, err)

	orders := map[uuid.UUID]payments.Account{
		open.id:       {State: payments.StateOpen, AmountWon: price},
		paid.id:       {State: payments.StateCaptured, AmountWon: price, CapturedWon: price},
		refunded.id:   {State: payments.StateCaptured, AmountWon: price, CapturedWon: price, RefundedWon: price},
		due.id:        {State: payments.StateCaptured, AmountWon: price, CapturedWon: price, RefundDue: true},
		partly.id:     {State: payments.StateCaptured, AmountWon: price, CapturedWon: price, RefundedWon: 5000},
		partDue.id:    {State: payments.StateCaptured, AmountWon: price, CapturedWon: price, RefundedWon: 5000, RefundDue: true},
		stray.id:      {State: payments.StateClosed, AmountWon: price},
		confirming.id: {State: payments.StateConfirming, AmountWon: price},
		deposit.id:    {State: payments.StateConfirming, AmountWon: price},
		tombstone:     {State: payments.StateClosed},
	}
	in := payments.AccountsInput{OrderIDs: []uuid.UUID{uuid.New()}} // and one of which nothing is known
	for id := range orders {
		in.OrderIDs = append(in.OrderIDs, id)
	}
	got, err := s.instances[1].Accounts(t.Context(), in)
	require.NoError(t, err)
	found := map[uuid.UUID]payments.Account{}
	for _, a := range got.Items {
		id := a.OrderID
		require.Equal(t, a.CapturedWon == 0 && id != stray.id, a.MovedAt.IsZero())
		a.OrderID, a.MovedAt = uuid.Nil, time.Time{}
		found[id] = a
	}
	require.Equal(t, orders, found)

	none, err := s.instances[0].Accounts(t.Context(), payments.AccountsInput{})
	require.NoError(t, err)
	require.Empty(t, none.Items)
	_, err = s.instances[0].Accounts(t.Context(), payments.AccountsInput{OrderIDs: make([]uuid.UUID, 1001)})
	require.Error(t, err)
}
