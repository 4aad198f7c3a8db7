package toss

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sasapick/shop/internal/payments/internal/app"
)

// declines are the codes by which a confirm definitely took no money and never will under its payment key. What is not listed
// here is not known, whatever it sounds like: a hold that is released after money was taken is the one failure that hurts.
var declines = set(`
	EXCEED_MAX_CARD_INSTALLMENT_PLAN NOT_ALLOWED_POINT_USE INVALID_REJECT_CARD BELOW_MINIMUM_AMOUNT INVALID_CARD_EXPIRATION
	INVALID_STOPPED_CARD EXCEED_MAX_DAILY_PAYMENT_COUNT NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT INVALID_CARD_INSTALLMENT_PLAN
	NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN EXCEED_MAX_PAYMENT_AMOUNT NOT_FOUND_TERMINAL_ID INVALID_AUTHORIZE_AUTH
	INVALID_CARD_LOST_OR_STOLEN RESTRICTED_TRANSFER_ACCOUNT INVALID_CARD_NUMBER INVALID_UNREGISTERED_SUBMALL NOT_REGISTERED_BUSINESS
	EXCEED_MAX_ONE_DAY_WITHDRAW_AMOUNT EXCEED_MAX_ONE_TIME_WITHDRAW_AMOUNT EXCEED_MAX_AMOUNT INVALID_ACCOUNT_INFO_RE_REGISTER
	NOT_AVAILABLE_PAYMENT EXCEED_MAX_MONTHLY_PAYMENT_AMOUNT
	REJECT_ACCOUNT_PAYMENT REJECT_CARD_PAYMENT REJECT_CARD_COMPANY REJECT_TOSSPAY_INVALID_ACCOUNT EXCEED_MAX_AUTH_COUNT
	EXCEED_MAX_ONE_DAY_AMOUNT NOT_AVAILABLE_BANK INVALID_PASSWORD FDS_ERROR`)

// voids are the codes by which a confirm was refused before any bank was asked, or by a bank that failed: the payment is read once,
// and if it isn't paid the order can be paid in another way. A made-up payment key ends here and must not hold an order for days.
var voids = set(`NOT_FOUND_PAYMENT NOT_FOUND_PAYMENT_SESSION INVALID_REQUEST UNAPPROVED_ORDER_ID CARD_PROCESSING_ERROR`)

// refusals are the codes by which a cancel definitely gives nothing back, now or later.
var refusals = set(`
	INVALID_REFUND_ACCOUNT_INFO EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT INVALID_REFUND_ACCOUNT_NUMBER INVALID_BANK
	NOT_MATCHES_REFUNDABLE_AMOUNT REFUND_REJECTED FORBIDDEN_BANK_REFUND_REQUEST
	NOT_CANCELABLE_AMOUNT NOT_CANCELABLE_PAYMENT EXCEED_MAX_REFUND_DUE NOT_ALLOWED_PARTIAL_REFUND
	NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER EXCEED_CANCEL_LIMIT
	NOT_FOUND_PAYMENT INVALID_REQUEST`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// payment is what we read of Toss's Payment object.
type payment struct {
	PaymentKey    string      `json:"paymentKey"`
	OrderID       string      `json:"orderId"`
	Status        string      `json:"status"`
	Method        string      `json:"method"`
	Currency      string      `json:"currency"`
	TotalAmount   json.Number `json:"totalAmount"`
	BalanceAmount json.Number `json:"balanceAmount"`
	ApprovedAt    *string     `json:"approvedAt"`
	Secret        *string     `json:"secret"`
	Receipt       *struct {
		URL string `json:"url"`
	} `json:"receipt"`
	EasyPay *struct {
		Provider string `json:"provider"`
	} `json:"easyPay"`
	VirtualAccount *struct {
		DueDate string `json:"dueDate"`
		Expired bool   `json:"expired"`
	} `json:"virtualAccount"`
	Failure *struct {
		Code string `json:"code"`
	} `json:"failure"`
	Cancels []struct {
		TransactionKey string `json:"transactionKey"`
		CancelStatus   string `json:"cancelStatus"`
	} `json:"cancels"`
}

// readConfirm says what the answer to a confirm means.
func readConfirm(in app.ConfirmRequest, r response, err error) app.Answer {
	a := read(r, err, func(code string) app.Outcome {
		switch {
		case declines[code]:
			return app.OutcomeDeclined
		case voids[code]:
			return app.OutcomeVoid
		}
		return app.OutcomeUnknown // ALREADY_PROCESSED_PAYMENT and PROVIDER_ERROR too
	})
	switch a.Outcome {
	case app.OutcomePaid, app.OutcomeDeposit:
		if a.PaymentKey != in.PaymentKey || a.OrderNumber != in.OrderNumber {
			return app.Answer{Outcome: app.OutcomeUnknown, Code: "SHOP_OTHER_PAYMENT"} // another request's answer under our key
		}
	case app.OutcomePending, app.OutcomeCanceled, app.OutcomePartial, app.OutcomeCanceling, app.OutcomeMismatch:
		return app.Answer{Outcome: app.OutcomeUnknown, Code: a.Code} // an answer that repeats an old one may say so: read it back
	}
	if r.status/100 == 2 && a.Outcome == app.OutcomeDeclined {
		a.Outcome = app.OutcomeUnknown
	}
	return a
}

// readPayment says what a payment that was read back means. A 404 decides nothing: it may be about to be there.
func readPayment(r response, err error) app.Answer {
	return read(r, err, func(code string) app.Outcome {
		if code == "NOT_FOUND_PAYMENT" && r.status == http.StatusNotFound {
			return app.OutcomePending
		}
		return app.OutcomeUnknown
	})
}

// readCancel says what the answer to a cancel means. ALREADY_CANCELED_PAYMENT is most likely our own doing, and to be read back.
func readCancel(in app.CancelRequest, r response, err error) app.Answer {
	a := read(r, err, func(code string) app.Outcome {
		if refusals[code] {
			return app.OutcomeRefused
		}
		return app.OutcomeUnknown
	})
	switch a.Outcome {
	case app.OutcomeRefused:
	case app.OutcomeCanceled, app.OutcomePartial, app.OutcomeCanceling:
		if a.PaymentKey != in.PaymentKey {
			return app.Answer{Outcome: app.OutcomeUnknown, Code: "SHOP_OTHER_PAYMENT"}
		}
	default:
		return app.Answer{Outcome: app.OutcomeUnknown, Code: a.Code}
	}
	return a
}

// read takes an answer apart. Only a 4xx with a code that the call's list knows is a definite no.
func read(r response, err error, definite func(code string) app.Outcome) app.Answer {
	if err != nil {
		return app.Answer{Outcome: app.OutcomeUnknown, Code: codeOf(err)}
	}
	if r.status/100 == 2 {
		return readBody(r.body)
	}
	var e struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(r.body, &e) // an answer that isn't Toss's has no code
	if len(e.Code) > 100 || e.Code == "" {
		return app.Answer{Outcome: app.OutcomeUnknown, Code: "SHOP_HTTP_" + strconv.Itoa(r.status)}
	}
	a := app.Answer{Outcome: app.OutcomeUnknown, Code: strings.ToValidUTF8(strings.ReplaceAll(e.Code, "\x00", ""), "")}
	switch r.status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound:
		a.Outcome = definite(e.Code)
	}
	return a
}

func readBody(body []byte) app.Answer {
	var p payment
	if err := json.Unmarshal(body, &p); err != nil || p.PaymentKey == "" {
		return app.Answer{Outcome: app.OutcomeUnknown, Code: "SHOP_NOT_A_PAYMENT"}
	}
	amount, err := p.TotalAmount.Int64()
	won := err == nil && (p.Currency == "" || p.Currency == "KRW")
	a := app.Answer{PaymentKey: p.PaymentKey, OrderNumber: p.OrderID, AmountWon: amount, Method: clip(p.Method, 100), Code: p.Status}
	if p.EasyPay != nil && p.EasyPay.Provider != "" {
		a.Method = clip(p.EasyPay.Provider, 100)
	}
	if p.Receipt != nil {
		a.ReceiptURL = clip(p.Receipt.URL, 2000)
	}
	if p.Secret != nil {
		a.Secret = clip(*p.Secret, 200)
	}
	if p.ApprovedAt != nil {
		a.ApprovedAt = instant(*p.ApprovedAt)
	}
	if p.VirtualAccount != nil {
		a.DepositDue = instant(p.VirtualAccount.DueDate)
		a.Overdue = p.VirtualAccount.Expired
	}
	switch p.Status {
	case "DONE":
		a.Outcome, a.Code = app.OutcomePaid, ""
	case "WAITING_FOR_DEPOSIT":
		a.Outcome, a.Code = app.OutcomeDeposit, ""
	case "CANCELED":
		a.Outcome, a.BackWon = app.OutcomeCanceled, amount
	case "PARTIAL_CANCELED":
		a.Outcome = app.OutcomePartial
		if left, err := p.BalanceAmount.Int64(); err == nil && 0 < left && left < amount {
			a.BackWon = amount - left
		} else {
			a.Outcome, a.Code = app.OutcomeMismatch, "SHOP_NO_BALANCE"
		}
	case "ABORTED", "EXPIRED":
		a.Outcome = app.OutcomeDeclined
		if p.Failure != nil && p.Failure.Code != "" {
			a.Code = clip(p.Failure.Code, 100)
		}
	case "READY", "IN_PROGRESS":
		a.Outcome = app.OutcomePending
	default:
		a.Outcome = app.OutcomeUnknown
	}
	if n := len(p.Cancels); n > 0 {
		a.CancelKey = clip(p.Cancels[n-1].TransactionKey, 100)
		switch status := p.Cancels[n-1].CancelStatus; {
		case status == "IN_PROGRESS" && (a.Outcome == app.OutcomePaid || a.Outcome == app.OutcomePartial || a.Outcome == app.OutcomeCanceled):
			a.Outcome, a.Code = app.OutcomeCanceling, "CANCEL_IN_PROGRESS" // a foreign wallet takes its time
		case status == "ABORTED":
			a.CancelAborted = true
		}
	}
	if !won {
		a.AmountWon = 0
		if a.Outcome.Money() {
			a.Outcome, a.Code = app.OutcomeMismatch, "SHOP_NOT_WON"
		}
	}
	return a
}

// instant reads Toss's times; virtual accounts have come without a zone, which is then Korea's.
func instant(s string) *time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, seoul); err == nil {
			t = t.UTC()
			return &t
		}
	}
	return nil
}

var seoul = time.FixedZone("KST", 9*60*60)

// clip makes text of Toss's storable.
func clip(s string, limit int) string {
	r := []rune(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), ""))
	return string(r[:min(len(r), limit)])
}
