package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var orderIDs = regexp.MustCompile(`^[A-Za-z0-9_=-]{6,64}$`)

// methods are the ways to pay, by every name that a script may use.
var methods = map[string]string{
	"": "카드", "카드": "카드", "card": "카드",
	"토스페이": "토스페이", "tosspay": "토스페이",
	"계좌이체": "계좌이체", "transfer": "계좌이체",
	"가상계좌": "가상계좌", "virtual_account": "가상계좌",
	"해외간편결제": "해외간편결제", "foreign_easy_pay": "해외간편결제",
}

// register takes what a shop wants to be paid for an order, as Toss's script does when it opens the window.
func (e *Emulator) register(w http.ResponseWriter, r *http.Request) {
	if code := authenticate(r.Header.Get("Authorization"), e.config.ClientKey); code != "" {
		e.answer(w, r, refuse(code))
		return
	}
	var s Session
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&s) != nil || !orderIDs.MatchString(s.OrderID) || s.AmountWon <= 0 ||
		s.OrderName == "" || len([]rune(s.OrderName)) > 100 || !returnable(s.SuccessURL) || !returnable(s.FailURL) || !returnable(s.WebhookURL) {
		e.answer(w, r, refuse("INVALID_REQUEST"))
		return
	}
	e.mu.Lock()
	wait := func() error { return nil }
	if e.state.sessions[s.OrderID] != s { // a repeat costs nothing
		wait = e.save(record{Session: &s})
	}
	e.mu.Unlock()
	if err := wait(); err != nil {
		e.log.ErrorContext(r.Context(), "the Toss emulator cannot write its journal", "error", err)
		e.answer(w, r, refuse("FAILED_INTERNAL_SYSTEM_PROCESSING"))
		return
	}
	writeJSON(w, http.StatusOK, ok(s).encode(""))
}

// returnable tells whether a shopper may be sent to the address.
func returnable(address string) bool {
	if address == "" {
		return true
	}
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && len(address) <= 2000
}

// authorizeInput is what a click on "pay" says. Decline is the code with which confirm will then be refused: a card that the
// bank will not honour.
type authorizeInput struct {
	Method  string `json:"method"`
	Decline string `json:"decline"`
}

// authorized is what Toss hands to the shop's successUrl.
type authorized struct {
	PaymentKey string `json:"paymentKey"`
	OrderID    string `json:"orderId"`
	Amount     int64  `json:"amount"`
}

// authorizeRoute answers a script with JSON, and a form, from a browser without JavaScript, with a redirect.
func (e *Emulator) authorizeRoute(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		e.answer(w, r, refuse("INVALID_REQUEST"))
		return
	}
	var in authorizeInput
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body = bytes.TrimSpace(body)
	form := mediaType == "application/x-www-form-urlencoded" && len(body) > 0 && body[0] != '{' // curl calls JSON a form too
	switch {
	case form:
		fields, err := url.ParseQuery(string(body))
		if err != nil {
			e.answer(w, r, refuse("INVALID_REQUEST"))
			return
		}
		in = authorizeInput{Method: fields.Get("method"), Decline: fields.Get("decline")}
	case len(body) > 0 && json.Unmarshal(body, &in) != nil: // without a body: by card
		e.answer(w, r, refuse("INVALID_REQUEST"))
		return
	}
	method, known := methods[in.Method]
	_, documented := statuses[in.Decline]
	if !known || in.Decline != "" && !documented {
		e.answer(w, r, refuse("INVALID_REQUEST"))
		return
	}
	s, err := e.session(r.Context(), r.PathValue("orderId"))
	if errors.Is(err, errNoOrder) {
		e.answer(w, r, refuse("NOT_FOUND_PAYMENT_SESSION"))
		return
	}
	if err != nil {
		e.log.ErrorContext(r.Context(), "the Toss emulator cannot look up an order", "error", err)
		e.answer(w, r, refuse("FAILED_INTERNAL_SYSTEM_PROCESSING"))
		return
	}
	p := e.newPayment(s, method, in.Decline)
	e.mu.Lock()
	if paid, ok := e.state.ofOrder(s.OrderID); ok && paid.Status != inProgress && paid.Status != aborted && paid.Status != expired {
		e.mu.Unlock()
		e.answer(w, r, refuse("ALREADY_PROCESSED_PAYMENT"))
		return
	}
	wait := e.save(record{Payment: p})
	e.mu.Unlock()
	if err := wait(); err != nil {
		e.log.ErrorContext(r.Context(), "the Toss emulator cannot write its journal", "error", err)
		e.answer(w, r, refuse("FAILED_INTERNAL_SYSTEM_PROCESSING"))
		return
	}
	out := authorized{PaymentKey: p.PaymentKey, OrderID: s.OrderID, Amount: s.AmountWon}
	if form {
		http.Redirect(w, r, successURL(s, out), http.StatusSeeOther)
		return
	}
	writeJSON(w, http.StatusOK, ok(out).encode(""))
}

// successURL is where Toss sends the shopper after authorising. A relative one is the emulator's own page.
func successURL(s Session, out authorized) string {
	target := s.SuccessURL
	if target == "" {
		target = "./success" // next to …/pay/{orderId}/authorize
	}
	q := url.Values{"paymentKey": {out.PaymentKey}, "orderId": {out.OrderID}, "amount": {itoa(out.Amount)}, "paymentType": {"NORMAL"}}
	return join(target, q)
}

// failURL is where Toss sends a shopper who gave up.
func failURL(s Session, base string) string {
	target := s.FailURL
	if target == "" {
		target = base + "/fail"
	}
	return join(target, url.Values{"code": {"PAY_PROCESS_CANCELED"}, "message": {"사용자가 결제를 취소하였습니다"}, "orderId": {s.OrderID}})
}

func join(target string, q url.Values) string {
	if strings.Contains(target, "?") {
		return target + "&" + q.Encode()
	}
	return target + "?" + q.Encode()
}

// newPayment is a payment that a shopper has authorised and that the shop has not confirmed yet.
func (e *Emulator) newPayment(s Session, method, decline string) *kept {
	now := e.clock()
	vat := s.AmountWon / 11
	p := &kept{
		AuthorizedAt: now, Decline: decline,
		Payment: Payment{
			Version: "2022-11-16", PaymentKey: token("tgen_"), Type: "NORMAL", OrderID: s.OrderID, OrderName: s.OrderName,
			MID: "tosspayments", Currency: "KRW", Method: method, TotalAmount: s.AmountWon, BalanceAmount: s.AmountWon,
			Status: inProgress, RequestedAt: stamp(now), SuppliedAmount: s.AmountWon - vat, VAT: vat,
			IsPartialCancelable: true, Country: "KR",
		},
	}
	p.Checkout = &Link{URL: "https://api.tosspayments.com/v1/payments/" + p.PaymentKey + "/checkout"}
	switch method {
	case "카드":
		p.Card = &Card{
			Amount: s.AmountWon, IssuerCode: "61", AcquirerCode: "31", Number: "43301234****123*", CardType: "신용", OwnerType: "개인",
			AcquireStatus: "READY",
		}
	case "토스페이":
		p.Method = "간편결제" // Toss names the wallet in easyPay
		p.EasyPay = &EasyPay{Provider: "토스페이", Amount: s.AmountWon}
	case foreign:
		p.EasyPay = &EasyPay{Provider: "PAYPAL", Amount: s.AmountWon}
	case "계좌이체":
		p.Transfer = &Transfer{BankCode: "20", SettlementStatus: "INCOMPLETED"}
	case "가상계좌":
		p.VirtualAccount = &VirtualAccount{
			AccountType: "일반", AccountNumber: "X6505636518308", BankCode: "20", CustomerName: "토스", RefundStatus: "NONE",
			DueDate: stamp(now.Add(24 * time.Hour)), SettlementStatus: "INCOMPLETED",
		}
	}
	return p
}
