package app_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/fault"
)

// modeled is what the model knows of an order.
type modeled struct {
	id       uuid.UUID
	number   string
	due      int64
	state    ordering.State
	former   ordering.State
	payment  payments.State
	quantity int64
	returned int64     // of the quantity, what came back
	back     int64     // what is about to
	refund   uuid.UUID // of that
}

// cameBack ends the refund that is under way.
func (o *modeled) cameBack() {
	if o.returned, o.back = o.returned+o.back, 0; o.returned == o.quantity {
		o.state = ordering.StateRefunded
	}
}

// TestMachine lets chance do what shoppers, managers, gateways and jobs do, in any order, and compares every answer and every state
// with a model that is a few lines. A failure prints the seed with which it comes again.
func TestMachine(t *testing.T) {
	t.Parallel()

	s := setup(t)
	const limit = 5
	rapid.Check(t, func(rt *rapid.T) {
		account, boss := uuid.New(), uuid.New()
		shirt := s.catalog.sell("셔츠", 12_900, 1000)
		s.catalog.change(shirt, func(o *catalog.Offer) { o.LimitPerCustomer = limit })
		var orders []*modeled
		pick := func(rt *rapid.T) *modeled {
			if len(orders) == 0 {
				rt.Skip("no order yet")
			}
			return orders[rapid.IntRange(0, len(orders)-1).Draw(rt, "order")]
		}
		expect := func(rt *rapid.T, err error, want *fault.Error) {
			if want == nil {
				require.NoError(rt, err)
			} else {
				require.ErrorIs(rt, err, want)
			}
		}
		move := func(o *modeled, to ordering.State, from ...ordering.State) *fault.Error {
			for _, f := range from {
				if o.state == f {
					o.state = to
					return nil
				}
			}
			return ordering.ErrIllegalTransition
		}
		rt.Repeat(map[string]func(*rapid.T){
			"place": func(rt *rapid.T) {
				quantity := rapid.Int64Range(1, 3).Draw(rt, "quantity")
				var unpaid, bought int64
				for _, o := range orders {
					if o.state == ordering.StateAwaitingPayment {
						unpaid++
					}
					switch o.state {
					case ordering.StateExpired, ordering.StateCanceled, ordering.StateRefunded:
					default:
						bought += o.quantity
					}
				}
				in := s.input(account, uuid.NewString(), shirt)
				in.Items[0].Quantity = quantity
				p, err := s.Place(t.Context(), in)
				switch {
				case bought+quantity > limit:
					expect(rt, err, ordering.ErrLimitPerCustomer)
				case unpaid >= 2:
					expect(rt, err, ordering.ErrTooManyUnpaid)
				default:
					expect(rt, err, nil)
					orders = append(orders, &modeled{
						id: p.Order.ID, number: p.Order.Number, due: p.Order.DueWon, quantity: quantity,
						state: ordering.StateAwaitingPayment, payment: payments.StateOpen,
					})
				}
			},
			"confirm": func(rt *rapid.T) {
				o := pick(rt)
				outcome := rapid.SampledFrom([]payments.State{payments.StateCaptured, payments.StateConfirming, payments.StateOpen}).Draw(rt, "gateway")
				s.payments.gateway = func(payments.Payment) payments.State { return outcome }
				_, err := s.Confirm(t.Context(), payments.ConfirmInput{AccountID: account, OrderNumber: o.number, AmountWon: o.due, IdempotencyKey: uuid.NewString()})
				switch {
				case o.payment == payments.StateClosed:
					expect(rt, err, payments.ErrOrderClosed)
				case o.payment == payments.StateCaptured:
					expect(rt, err, payments.ErrAlreadyPaid)
				case o.payment == payments.StateConfirming:
					expect(rt, err, payments.ErrInProgress)
				case outcome == payments.StateOpen:
					expect(rt, err, payments.ErrDeclined)
				default:
					expect(rt, err, nil)
					if o.payment = outcome; outcome == payments.StateCaptured {
						o.state = ordering.StatePaid
					}
				}
			},
			"gatewayAnswers": func(rt *rapid.T) {
				o := pick(rt)
				if o.payment != payments.StateConfirming {
					rt.Skip("nothing to answer")
				}
				o.payment = rapid.SampledFrom([]payments.State{payments.StateCaptured, payments.StateOpen}).Draw(rt, "answer")
				s.payments.set(o.id, func(p *payments.Payment) { p.State = o.payment })
				if o.payment == payments.StateCaptured {
					o.state = ordering.StatePaid
					s.hear(rt, payments.Captured{OrderID: o.id, Version: 2, AmountWon: o.due})
				}
			},
			"capturedAgain": func(rt *rapid.T) {
				o := pick(rt)
				if o.payment != payments.StateCaptured {
					rt.Skip("not captured")
				}
				s.hear(rt, payments.Captured{OrderID: o.id, Version: 2, AmountWon: o.due})
			},
			"cancel": func(rt *rapid.T) {
				o := pick(rt)
				outcome := rapid.SampledFrom([]payments.RefundState{payments.RefundStateDone, payments.RefundStateSent, payments.RefundStateRefused}).Draw(rt, "refund")
				s.payments.refunds = func(payments.Payment) payments.RefundState { return outcome }
				_, err := s.Cancel(t.Context(), cancelation(account, o.id, uuid.NewString()))
				switch o.state {
				case ordering.StateAwaitingPayment:
					if o.payment == payments.StateConfirming {
						expect(rt, err, ordering.ErrPaymentInProgress)
						return
					}
					o.state, o.payment = ordering.StateCanceled, payments.StateClosed
					expect(rt, err, nil)
				case ordering.StatePaid, ordering.StatePreparing, ordering.StateCanceling:
					if o.state != ordering.StateCanceling {
						o.former = o.state
					}
					switch outcome {
					case payments.RefundStateDone:
						o.state = ordering.StateCanceled
						expect(rt, err, nil)
					case payments.RefundStateSent:
						o.state = ordering.StateCanceling
						expect(rt, err, nil)
					default:
						o.state = o.former
						expect(rt, err, ordering.ErrRefundRefused)
					}
				case ordering.StateCanceled:
					expect(rt, err, nil)
				case ordering.StateExpired, ordering.StateRefunded:
					expect(rt, err, ordering.ErrIllegalTransition)
				default:
					expect(rt, err, ordering.ErrAlreadyShipping)
				}
			},
			"refundSettles": func(rt *rapid.T) {
				o := pick(rt)
				if o.state != ordering.StateCanceling {
					rt.Skip("no refund")
				}
				refund := s.payments.of(o.id).Refund
				if rapid.Bool().Draw(rt, "done") {
					s.payments.set(o.id, func(p *payments.Payment) { p.RefundedWon = p.AmountWon })
					s.hear(rt, payments.Refunded{OrderID: o.id, Version: 3, RefundID: refund.ID, AmountWon: o.due})
					o.state = ordering.StateCanceled
				} else {
					s.payments.set(o.id, func(p *payments.Payment) { p.Refund.State = payments.RefundStateRefused })
					s.hear(rt, payments.RefundRefused{OrderID: o.id, Version: 3, RefundID: refund.ID, Code: "REFUND_REJECTED"})
					o.state = o.former
				}
			},
			"refund": func(rt *rapid.T) {
				o := pick(rt)
				n := rapid.Int64Range(1, 3).Draw(rt, "pieces")
				outcome := rapid.SampledFrom([]payments.RefundState{payments.RefundStateDone, payments.RefundStateSent, payments.RefundStateRefused}).Draw(rt, "refund")
				s.payments.refunds = func(payments.Payment) payments.RefundState { return outcome }
				r, err := s.Refund(t.Context(), taking(o.id, uuid.NewString(), pieces(shirt, n)))
				switch o.state {
				case ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed:
				case ordering.StateAwaitingPayment, ordering.StatePaid, ordering.StatePreparing:
					expect(rt, err, ordering.ErrNotShipped)
					return
				default:
					expect(rt, err, ordering.ErrIllegalTransition)
					return
				}
				switch {
				case o.back > 0:
					expect(rt, err, ordering.ErrRefundOpen)
				case o.returned+n > o.quantity:
					expect(rt, err, ordering.ErrNotThatMany)
				case outcome == payments.RefundStateRefused:
					expect(rt, err, ordering.ErrRefundRefused)
				default:
					expect(rt, err, nil)
					if o.back, o.refund = n, r.Refund.ID; outcome == payments.RefundStateDone {
						o.cameBack()
					}
				}
			},
			"refundOfGoodsSettles": func(rt *rapid.T) {
				o := pick(rt)
				if o.back == 0 {
					rt.Skip("nothing is on its way back")
				}
				if rapid.Bool().Draw(rt, "done") {
					part := s.payments.settlePart(o.id, o.refund, payments.RefundStateDone)
					s.hear(rt, payments.Refunded{OrderID: o.id, Version: 3, RefundID: part.ID, AmountWon: part.AmountWon})
					o.cameBack()
				} else {
					s.payments.settlePart(o.id, o.refund, payments.RefundStateRefused)
					s.hear(rt, payments.RefundRefused{OrderID: o.id, Version: 3, RefundID: o.refund, Code: "REFUND_REJECTED"})
					o.back = 0
				}
			},
			"prepare": func(rt *rapid.T) {
				o := pick(rt)
				_, err := s.Prepare(t.Context(), boss, o.id)
				expect(rt, err, move(o, ordering.StatePreparing, ordering.StatePaid))
			},
			"ship": func(rt *rapid.T) {
				o := pick(rt)
				_, err := s.Ship(t.Context(), boss, o.id, "CJ", "1")
				expect(rt, err, move(o, ordering.StateShipping, ordering.StatePaid, ordering.StatePreparing))
			},
			"deliver": func(rt *rapid.T) {
				o := pick(rt)
				_, err := s.Deliver(t.Context(), boss, o.id)
				expect(rt, err, move(o, ordering.StateDelivered, ordering.StateShipping))
			},
			"receive": func(rt *rapid.T) {
				o := pick(rt)
				_, err := s.Receive(t.Context(), account, o.id)
				if o.back > 0 && o.state != ordering.StateConfirmed {
					expect(rt, err, ordering.ErrRefundOpen)
					return
				}
				expect(rt, err, move(o, ordering.StateConfirmed, ordering.StateShipping, ordering.StateDelivered, ordering.StateConfirmed))
			},
			"timePasses": func(rt *rapid.T) {
				s.clock.Advance(16 * time.Minute)
				s.payments.refunds = func(payments.Payment) payments.RefundState { return payments.RefundStateSent }
				require.NoError(rt, errors.Join(s.Recover(t.Context()), s.Expire(t.Context()), s.FinishCancelations(t.Context()), s.FinishRefunds(t.Context())))
				for _, o := range orders {
					if o.state == ordering.StateAwaitingPayment && o.payment == payments.StateOpen {
						o.state, o.payment = ordering.StateExpired, payments.StateClosed
					}
				}
			},
			"": func(rt *rapid.T) {
				for _, o := range orders {
					require.Equal(rt, o.state, s.state(rt, o.id))
				}
			},
		})
		s.check(rt, account)
		s.clock.Advance(2 * time.Minute)
		// The gateway may take its time here, and a refund that went through and was not heard of yet is on its way.
		s.sound(rt, "", "orders.unpaid", "orders.canceling", "refunds.age", "money.orders")
		// What is still open would be the next check's.
		s.exec(rt, `UPDATE ordering.orders SET attend_at = 'infinity' WHERE attend_at IS NOT NULL`)
		s.exec(rt, `UPDATE ordering.refunds SET attend_at = 'infinity' WHERE attend_at IS NOT NULL`)
	})
}
