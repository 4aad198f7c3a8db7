package emulator

import (
	"bytes"
	"crypto/rand"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed *.html
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"won": grouped}).ParseFS(files, "*.html"))

// view is what a page shows.
type view struct {
	Nonce, Lang string
	Text        map[string]string
	Session     Session
	Path        string // of the pay page, as the browser sees it
	FailURL     string
	SuccessURL  string
	PaymentKey  string
	Amount      string
	OrderID     string
	Code        string
	Message     string
	Origin      string
}

var texts = map[string]map[string]string{
	"ko": {
		"pay": "결제하기", "cancel": "취소", "order": "주문", "number": "주문번호", "amount": "결제 금액", "won": "원", "method": "결제 수단",
		"card": "카드", "tosspay": "토스페이", "transfer": "계좌이체", "outcome": "승인 결과", "approved": "정상 승인",
		"declined": "카드사 거절", "limit": "한도 초과", "test": "테스트 결제창입니다. 실제로 결제되지 않습니다.", "paying": "처리 중…",
		"failed": "결제를 진행할 수 없습니다. 다시 시도해 주세요.", "gone": "결제할 주문을 찾을 수 없습니다.", "goneHint": "주문이 없거나 결제창이 닫혔습니다.",
		"authorized": "인증이 끝났습니다", "notYet": "아직 결제되지 않았습니다. 상점이 승인을 요청해야 결제가 완료됩니다.", "copy": "복사", "copied": "복사됨",
		"confirmHint": "주문한 고객의 토큰으로 아래 요청을 보내면 승인됩니다. 같은 Idempotency-Key로 다시 보내도 한 번만 결제됩니다.",
		"canceled":    "결제를 취소했습니다", "again": "다시 결제하기",
	},
	"en": {
		"pay": "Pay", "cancel": "Cancel", "order": "Order", "number": "Order number", "amount": "Amount", "won": "KRW", "method": "Pay with",
		"card": "Card", "tosspay": "Toss Pay", "transfer": "Bank transfer", "outcome": "Outcome", "approved": "Approved",
		"declined": "Declined by the card", "limit": "Over the limit", "test": "This is a test window. No money moves.", "paying": "One moment…",
		"failed": "The payment could not be started. Please try again.", "gone": "There is nothing to pay here.", "goneHint": "The order does not exist, or its window was closed.",
		"authorized": "Authorised", "notYet": "Nothing has been paid yet: the shop has to confirm the payment.", "copy": "Copy", "copied": "Copied",
		"confirmHint": "Send this with the token of the shopper who placed the order. Sent again with the same Idempotency-Key, it still pays only once.",
		"canceled":    "The payment was canceled", "again": "Pay again",
	},
}

func (e *Emulator) payPage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("orderId")
	s, err := e.session(r.Context(), id)
	switch {
	case errors.Is(err, errNoOrder):
		e.render(w, r, http.StatusNotFound, "gone.html", view{})
		return
	case err != nil:
		e.log.ErrorContext(r.Context(), "the Toss emulator cannot look up an order", "error", err)
		e.render(w, r, http.StatusServiceUnavailable, "gone.html", view{})
		return
	}
	path := pathOf(r, "/pay/"+url.PathEscape(id))
	e.render(w, r, http.StatusOK, "pay.html", view{Session: s, Path: path, FailURL: failURL(s, path), SuccessURL: s.SuccessURL})
}

// successPage shows a developer what a shop's own page would get. It cannot confirm: that takes the shopper's token.
func (e *Emulator) successPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	e.render(w, r, http.StatusOK, "success.html", view{
		OrderID: r.PathValue("orderId"), PaymentKey: plain(q.Get("paymentKey")), Amount: plain(q.Get("amount")), Origin: scheme + "://" + plain(r.Host),
	})
}

func (e *Emulator) failPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	e.render(w, r, http.StatusOK, "fail.html", view{
		Path: pathOf(r, "/pay/"+url.PathEscape(r.PathValue("orderId"))), Code: q.Get("code"), Message: q.Get("message"),
	})
}

// plain drops whatever could end a quoted shell word: the page shows a command to be pasted.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune("-_=.:[]", c):
			return c
		}
		return -1
	}, s)
}

// pathOf returns a path below wherever the emulator is mounted.
func pathOf(r *http.Request, path string) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil && strings.HasPrefix(u.Path, "/toss/") {
		return "/toss" + path
	}
	return path
}

func (e *Emulator) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Nonce, v.Lang = rand.Text(), "ko"
	if english(r.Header.Get("Accept-Language")) {
		v.Lang = "en"
	}
	v.Text = texts[v.Lang]
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, v); err != nil {
		e.log.ErrorContext(r.Context(), "cannot render a page of the Toss emulator", "page", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+v.Nonce+"'; script-src 'nonce-"+v.Nonce+
		"'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	s := itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
