package emulator

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// effect is what a handler changes, together with the news of it.
type effect struct {
	payment *kept
	deposit bool // a virtual account moved: Toss sends DEPOSIT_CALLBACK as well
	cancel  bool // a cancel that was taken on has ended: CANCEL_STATUS_CHANGED
}

// handler decides one call of the API. It is called with mu held and must not block.
type handler func(r *http.Request, body []byte) (reply, effect)

// api wraps a handler in what all of Toss's calls share: keys, faults, the Idempotency-Key, the journal.
func (e *Emulator) api(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			e.answer(w, r, refuse("INVALID_REQUEST"))
			return
		}
		fault := e.take(r.URL.Path)
		e.note(r)
		if fault.before(w, r) {
			return
		}
		if code := authenticate(r.Header.Get("Authorization"), e.config.SecretKey); code != "" {
			e.answer(w, r, refuse(code))
			return
		}
		if code := r.Header.Get("TossPayments-Test-Code"); code != "" && strings.HasPrefix(e.config.SecretKey, "test_") {
			e.answer(w, r, refuse(code))
			return
		}
		status, encoded, err := e.serve(r, body, h, fault)
		if err != nil {
			e.log.ErrorContext(r.Context(), "the Toss emulator cannot write its journal", "error", err)
			e.answer(w, r, refuse("FAILED_INTERNAL_SYSTEM_PROCESSING"))
			return
		}
		if fault.after(r) {
			return
		}
		writeJSON(w, status, encoded)
	})
}

// serve runs the handler once for an Idempotency-Key and gives its answer to everybody who repeats the key for 15 days. Server
// errors are not kept: nothing was decided.
func (e *Emulator) serve(r *http.Request, body []byte, h handler, fault *Fault) (status int, encoded []byte, err error) {
	key := r.Header.Get("Idempotency-Key")
	language := r.Header.Get("Accept-Language")
	if r.Method != http.MethodPost {
		key = "" // Toss ignores it
	}
	if len(key) > maxKey {
		refused := refuse("INVALID_IDEMPOTENCY_KEY")
		return refused.status, refused.encode(language), nil
	}
	scope := ""
	if key != "" {
		scope = scopeOf(key, e.config.SecretKey, r.URL.Path, r.Method)
		e.mu.Lock()
		if _, running := e.state.running[scope]; running {
			e.mu.Unlock()
			busy := refuse("IDEMPOTENT_REQUEST_PROCESSING")
			return busy.status, busy.encode(language), nil
		}
		if a, ok := e.state.answers[scope]; ok && e.clock().Sub(a.At) < answerLifetime {
			e.mu.Unlock()
			return a.Status, []byte(a.Body), nil
		}
		e.state.running[scope] = struct{}{}
		e.mu.Unlock()
		defer func() {
			e.mu.Lock()
			delete(e.state.running, scope)
			e.mu.Unlock()
		}()
	}

	fault.within()
	e.mu.Lock()
	out, change := h(r, body)
	if code := fault.code(); code != "" && r.Method == http.MethodPost {
		out, change = e.declined(code, out, change)
	}
	encoded = out.encode(language)
	rec := record{Payment: change.payment}
	if scope != "" && out.status < 500 {
		rec.Answer = &answer{Scope: scope, At: e.clock(), Status: out.status, Body: string(encoded)}
	}
	wait := func() error { return nil }
	if rec != (record{}) {
		wait = e.save(rec)
	}
	e.mu.Unlock()
	if err := wait(); err != nil {
		return 0, nil, err
	}
	if change.payment != nil {
		e.announce(change)
	}
	return out.status, encoded, nil
}

// declined replaces a handler's answer with a scripted code: as the contract has it for codes by which the card says no, the
// payment is ended, and otherwise nothing has happened.
func (e *Emulator) declined(code string, out reply, change effect) (reply, effect) {
	if change.payment == nil || out.status != http.StatusOK || !aborts(code) || change.payment.Cancels != nil {
		return refuse(code), effect{}
	}
	was := *e.state.payments[change.payment.PaymentKey]
	return refuse(code), effect{payment: abort(&was, code)}
}

func abort(p *kept, code string) *kept {
	p.Status = aborted
	p.Failure = &Failure{Code: code, Message: messageOf(code, false)}
	return p
}

func (e *Emulator) answer(w http.ResponseWriter, r *http.Request, out reply) {
	writeJSON(w, out.status, out.encode(r.Header.Get("Accept-Language")))
}

func (e *Emulator) note(r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.requests) >= maxRequests {
		e.requests = append(e.requests[:0], e.requests[maxRequests/2:]...)
	}
	e.requests = append(e.requests, Request{Method: r.Method, Path: r.URL.Path, IdempotencyKey: r.Header.Get("Idempotency-Key"), At: e.clock()})
}

func (e *Emulator) confirm(_ *http.Request, body []byte) (reply, effect) {
	var in struct {
		PaymentKey string      `json:"paymentKey"`
		OrderID    string      `json:"orderId"`
		Amount     json.Number `json:"amount"`
	}
	if json.Unmarshal(body, &in) != nil {
		return refuse("INVALID_REQUEST"), effect{}
	}
	amount, err := in.Amount.Int64()
	if err != nil || in.PaymentKey == "" || len(in.PaymentKey) > 200 || len(in.OrderID) < 6 || len(in.OrderID) > 64 {
		return refuse("INVALID_REQUEST"), effect{}
	}
	now := e.clock()
	p, known := e.state.payments[in.PaymentKey]
	if !known {
		return refuse("NOT_FOUND_PAYMENT"), effect{}
	}
	p = p.seenAt(now)
	switch {
	case p.OrderID != in.OrderID:
		return refuse("NOT_FOUND_PAYMENT_SESSION"), effect{}
	case p.Status == expired:
		return refuse("NOT_FOUND_PAYMENT_SESSION"), effect{payment: p}
	case p.Status != inProgress:
		return refuse("ALREADY_PROCESSED_PAYMENT"), effect{}
	case p.TotalAmount != amount:
		return refuse("INVALID_REQUEST"), effect{}
	case amount < 100 || p.Transfer != nil && amount < 200:
		return refuse("BELOW_MINIMUM_AMOUNT"), effect{payment: abort(p, "BELOW_MINIMUM_AMOUNT")}
	case p.Decline != "":
		return refuse(p.Decline), effect{payment: abort(p, p.Decline)}
	}
	key := token("txrd_")
	p.LastTransactionKey = &key
	if p.VirtualAccount != nil {
		p.Status = waiting
		secret := token("ps_")
		p.Secret = &secret
		return ok(p.Payment), effect{payment: p, deposit: true}
	}
	return ok(e.approve(p, now).Payment), effect{payment: p}
}

// approve marks the payment as paid.
func (e *Emulator) approve(p *kept, now time.Time) *kept {
	at := stamp(now)
	p.Status, p.ApprovedAt = done, &at
	p.BalanceAmount = p.TotalAmount
	p.Receipt = &Link{URL: "https://dashboard.tosspayments.com/receipt/redirection?transactionId=" + p.PaymentKey + "&ref=PX"}
	if p.Card != nil {
		card := *p.Card
		card.ApproveNo, card.AcquireStatus = "00000000", "READY"
		p.Card = &card
	}
	return p
}

func (e *Emulator) payment(r *http.Request, _ []byte) (reply, effect) {
	p, known := e.state.payments[r.PathValue("paymentKey")]
	if !known {
		return refuse("NOT_FOUND_PAYMENT"), effect{}
	}
	return ok(p.seenAt(e.clock()).Payment), effect{}
}

func (e *Emulator) paymentByOrder(r *http.Request, _ []byte) (reply, effect) {
	p, known := e.state.ofOrder(r.PathValue("orderId"))
	if !known {
		return refuse("NOT_FOUND_PAYMENT"), effect{}
	}
	return ok(p.seenAt(e.clock()).Payment), effect{}
}

func (e *Emulator) cancel(r *http.Request, body []byte) (reply, effect) {
	var in struct {
		CancelReason         string       `json:"cancelReason"`
		CancelAmount         *json.Number `json:"cancelAmount"`
		RefundReceiveAccount *struct {
			Bank          string `json:"bank"`
			AccountNumber string `json:"accountNumber"`
			HolderName    string `json:"holderName"`
		} `json:"refundReceiveAccount"`
	}
	if json.Unmarshal(body, &in) != nil || in.CancelReason == "" || len([]rune(in.CancelReason)) > 200 {
		return refuse("INVALID_REQUEST"), effect{}
	}
	now := e.clock()
	p, known := e.state.payments[r.PathValue("paymentKey")]
	if !known {
		return refuse("NOT_FOUND_PAYMENT"), effect{}
	}
	p = p.seenAt(now)
	amount := p.BalanceAmount
	if in.CancelAmount != nil {
		n, err := in.CancelAmount.Int64()
		if err != nil || n <= 0 {
			return refuse("INVALID_REQUEST"), effect{}
		}
		amount = n
	}
	switch p.Status {
	case canceled:
		return refuse("ALREADY_CANCELED_PAYMENT"), effect{}
	case waiting:
		if in.CancelAmount != nil && amount != p.TotalAmount {
			return refuse("NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT"), effect{}
		}
		amount = p.TotalAmount
	case done, partial:
		if p.canceling() {
			return refuse("FORBIDDEN_CONSECUTIVE_REQUEST"), effect{}
		}
		if amount > p.BalanceAmount {
			return refuse("NOT_CANCELABLE_AMOUNT"), effect{}
		}
		if p.VirtualAccount != nil && (in.RefundReceiveAccount == nil || in.RefundReceiveAccount.AccountNumber == "") {
			return refuse("INVALID_REFUND_ACCOUNT_INFO"), effect{}
		}
	default:
		return refuse("NOT_CANCELABLE_PAYMENT"), effect{}
	}
	key := token("txrd_")
	p.LastTransactionKey = &key
	c := Cancel{
		CancelAmount: amount, CancelReason: in.CancelReason, RefundableAmount: p.BalanceAmount, CanceledAt: stamp(now), TransactionKey: key,
		CancelStatus: "DONE",
	}
	if p.Method == foreign {
		c.CancelStatus = "IN_PROGRESS"
	} else {
		p.giveBack(&c)
	}
	p.Cancels = append(p.Cancels, c)
	return ok(p.Payment), effect{payment: p, deposit: p.VirtualAccount != nil}
}
