package emulator

import (
	"encoding/json"
	"net/http"
)

// foreign is the method of wallets abroad, which take a cancel on and do it later.
const foreign = "해외간편결제"

// bankRoute lets a bank or a wallet act on an order: {"orderId": …}.
func (e *Emulator) bankRoute(act func(orderID string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			OrderID string `json:"orderId"`
		}
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in) != nil {
			e.answer(w, r, refuse("INVALID_REQUEST"))
			return
		}
		if err := act(in.OrderID); err != nil {
			e.answer(w, r, refuse("NOT_FOUND_PAYMENT"))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// Look is a payment as Toss has it. It is no call of the API: no fault spoils it, and nobody counts it.
func (e *Emulator) Look(paymentKey string) (Payment, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, known := e.state.payments[paymentKey]
	if !known {
		return Payment{}, false
	}
	return p.seenAt(e.clock()).Payment, true
}

// Deposit pays into the virtual account of an order.
func (e *Emulator) Deposit(orderID string) error {
	return e.act(orderID, func(p *kept) (effect, bool) {
		if p.Status != waiting {
			return effect{}, false
		}
		return effect{payment: e.approve(p, e.clock()), deposit: true}, true
	})
}

// TakeBack undoes a deposit that the bank had made in error.
func (e *Emulator) TakeBack(orderID string) error {
	return e.act(orderID, func(p *kept) (effect, bool) {
		if p.Status != done || p.VirtualAccount == nil {
			return effect{}, false
		}
		key := token("txrd_")
		p.Status, p.ApprovedAt, p.LastTransactionKey = waiting, nil, &key
		return effect{payment: p, deposit: true}, true
	})
}

// FinishCancel does what a wallet abroad had taken on.
func (e *Emulator) FinishCancel(orderID string) error { return e.endCancel(orderID, "DONE") }

// AbortCancel gives it up: the money stays.
func (e *Emulator) AbortCancel(orderID string) error { return e.endCancel(orderID, "ABORTED") }

func (e *Emulator) endCancel(orderID, status string) error {
	return e.act(orderID, func(p *kept) (effect, bool) {
		if !p.canceling() {
			return effect{}, false
		}
		c := &p.Cancels[len(p.Cancels)-1]
		c.CancelStatus = status
		if status == "DONE" {
			p.giveBack(c)
		}
		return effect{payment: p, cancel: true}, true
	})
}

// giveBack takes a cancel off what is left.
func (p *kept) giveBack(c *Cancel) {
	p.BalanceAmount -= c.CancelAmount
	c.RefundableAmount = p.BalanceAmount
	if p.Status = partial; p.BalanceAmount == 0 {
		p.Status = canceled
	}
}

// canceling tells whether a wallet abroad has taken a cancel on and not done it yet.
func (p *kept) canceling() bool {
	return len(p.Cancels) > 0 && p.Cancels[len(p.Cancels)-1].CancelStatus == "IN_PROGRESS"
}

// act changes a payment, named by its key or by its order's number, keeps that, and tells the shop.
func (e *Emulator) act(name string, change func(p *kept) (effect, bool)) error {
	e.mu.Lock()
	p, known := e.state.payments[name]
	if !known {
		p, known = e.state.ofOrder(name)
	}
	if !known {
		e.mu.Unlock()
		return errNoOrder
	}
	news, acted := change(p.seenAt(e.clock()))
	if !acted {
		e.mu.Unlock()
		return errNoOrder
	}
	wait := e.save(record{Payment: news.payment})
	e.mu.Unlock()
	if err := wait(); err != nil {
		return err
	}
	e.announce(news)
	return nil
}
