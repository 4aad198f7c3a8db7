package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Payment is Toss's Payment object, as far as the contract tells it.
type Payment struct {
	Version             string          `json:"version"`
	PaymentKey          string          `json:"paymentKey"`
	Type                string          `json:"type"`
	OrderID             string          `json:"orderId"`
	OrderName           string          `json:"orderName"`
	MID                 string          `json:"mId"`
	Currency            string          `json:"currency"`
	Method              string          `json:"method"`
	TotalAmount         int64           `json:"totalAmount"`
	BalanceAmount       int64           `json:"balanceAmount"`
	Status              string          `json:"status"`
	RequestedAt         string          `json:"requestedAt"`
	ApprovedAt          *string         `json:"approvedAt"`
	UseEscrow           bool            `json:"useEscrow"`
	LastTransactionKey  *string         `json:"lastTransactionKey"`
	SuppliedAmount      int64           `json:"suppliedAmount"`
	VAT                 int64           `json:"vat"`
	CultureExpense      bool            `json:"cultureExpense"`
	TaxFreeAmount       int64           `json:"taxFreeAmount"`
	TaxExemptionAmount  int64           `json:"taxExemptionAmount"`
	Cancels             []Cancel        `json:"cancels"`
	IsPartialCancelable bool            `json:"isPartialCancelable"`
	Card                *Card           `json:"card"`
	VirtualAccount      *VirtualAccount `json:"virtualAccount"`
	Secret              *string         `json:"secret"`
	MobilePhone         any             `json:"mobilePhone"`
	GiftCertificate     any             `json:"giftCertificate"`
	Transfer            *Transfer       `json:"transfer"`
	Receipt             *Link           `json:"receipt"`
	Checkout            *Link           `json:"checkout"`
	EasyPay             *EasyPay        `json:"easyPay"`
	Country             string          `json:"country"`
	Failure             *Failure        `json:"failure"`
	CashReceipt         any             `json:"cashReceipt"`
	CashReceipts        any             `json:"cashReceipts"`
	Discount            any             `json:"discount"`
	Metadata            any             `json:"metadata"`
}

// Cancel is money that went back.
type Cancel struct {
	CancelAmount          int64   `json:"cancelAmount"`
	CancelReason          string  `json:"cancelReason"`
	TaxFreeAmount         int64   `json:"taxFreeAmount"`
	TaxExemptionAmount    int64   `json:"taxExemptionAmount"`
	RefundableAmount      int64   `json:"refundableAmount"`
	EasyPayDiscountAmount int64   `json:"easyPayDiscountAmount"`
	CanceledAt            string  `json:"canceledAt"`
	TransactionKey        string  `json:"transactionKey"`
	ReceiptKey            *string `json:"receiptKey"`
	CancelStatus          string  `json:"cancelStatus"`
	CancelRequestID       *string `json:"cancelRequestId"`
}

// Card is how a card paid.
type Card struct {
	Amount                int64   `json:"amount"`
	IssuerCode            string  `json:"issuerCode"`
	AcquirerCode          string  `json:"acquirerCode"`
	Number                string  `json:"number"`
	InstallmentPlanMonths int     `json:"installmentPlanMonths"`
	ApproveNo             string  `json:"approveNo"`
	UseCardPoint          bool    `json:"useCardPoint"`
	CardType              string  `json:"cardType"`
	OwnerType             string  `json:"ownerType"`
	AcquireStatus         string  `json:"acquireStatus"`
	IsInterestFree        bool    `json:"isInterestFree"`
	InterestPayer         *string `json:"interestPayer"`
}

// VirtualAccount is an account that was opened for one payment.
type VirtualAccount struct {
	AccountType          string  `json:"accountType"`
	AccountNumber        string  `json:"accountNumber"`
	BankCode             string  `json:"bankCode"`
	CustomerName         string  `json:"customerName"`
	DueDate              string  `json:"dueDate"`
	RefundStatus         string  `json:"refundStatus"`
	Expired              bool    `json:"expired"`
	SettlementStatus     string  `json:"settlementStatus"`
	RefundReceiveAccount *string `json:"refundReceiveAccount"`
}

// Transfer is how a bank account paid.
type Transfer struct {
	BankCode         string `json:"bankCode"`
	SettlementStatus string `json:"settlementStatus"`
}

// EasyPay is how a wallet paid.
type EasyPay struct {
	Provider       string `json:"provider"`
	Amount         int64  `json:"amount"`
	DiscountAmount int64  `json:"discountAmount"`
}

// Link is an address.
type Link struct {
	URL string `json:"url"`
}

// Failure is why a payment failed.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

var seoul = time.FixedZone("KST", 9*60*60)

// stamp writes a time as Toss does.
func stamp(t time.Time) string { return t.In(seoul).Format("2006-01-02T15:04:05-07:00") }

// reply is an answer before it is written.
type reply struct {
	status int
	code   string // of an error
	body   any    // of a success
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

// refuse is the answer with one of Toss's codes.
func refuse(code string) reply { return reply{status: statusOf(code), code: code} }

// encode makes the answer's bytes, in the language that was asked for.
func (r reply) encode(acceptLanguage string) []byte {
	body := r.body
	if r.code != "" {
		body = struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Data    any    `json:"data"`
		}{Code: r.code, Message: messageOf(r.code, english(acceptLanguage))}
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic("emulator: encode answer: " + err.Error()) // our own structs
	}
	return b
}

// english tells whether the client would rather read English than Korean, which Toss speaks by itself.
func english(acceptLanguage string) bool {
	for tag := range strings.SplitSeq(strings.ToLower(acceptLanguage), ",") {
		switch tag = strings.TrimSpace(tag); {
		case strings.HasPrefix(tag, "ko"):
			return false
		case strings.HasPrefix(tag, "en"):
			return true
		}
	}
	return false
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
