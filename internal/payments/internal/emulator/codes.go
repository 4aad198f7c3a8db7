package emulator

import (
	"net/http"
	"strings"
)

// The codes that Toss documents for confirm and cancel, by status.
var statuses = func() map[string]int {
	m := map[string]int{"NOT_FOUND": http.StatusNotFound, "TOO_MANY_REQUESTS": http.StatusTooManyRequests, "IDEMPOTENT_REQUEST_PROCESSING": http.StatusConflict}
	for status, codes := range map[int]string{
		400: `ALREADY_PROCESSED_PAYMENT PROVIDER_ERROR EXCEED_MAX_CARD_INSTALLMENT_PLAN INVALID_REQUEST NOT_ALLOWED_POINT_USE INVALID_API_KEY
			INVALID_REJECT_CARD BELOW_MINIMUM_AMOUNT INVALID_CARD_EXPIRATION INVALID_STOPPED_CARD EXCEED_MAX_DAILY_PAYMENT_COUNT
			NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT INVALID_CARD_INSTALLMENT_PLAN NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN
			EXCEED_MAX_PAYMENT_AMOUNT NOT_FOUND_TERMINAL_ID INVALID_AUTHORIZE_AUTH INVALID_CARD_LOST_OR_STOLEN RESTRICTED_TRANSFER_ACCOUNT
			INVALID_CARD_NUMBER INVALID_UNREGISTERED_SUBMALL NOT_REGISTERED_BUSINESS EXCEED_MAX_ONE_DAY_WITHDRAW_AMOUNT
			EXCEED_MAX_ONE_TIME_WITHDRAW_AMOUNT CARD_PROCESSING_ERROR EXCEED_MAX_AMOUNT INVALID_ACCOUNT_INFO_RE_REGISTER
			NOT_AVAILABLE_PAYMENT UNAPPROVED_ORDER_ID EXCEED_MAX_MONTHLY_PAYMENT_AMOUNT
			ALREADY_CANCELED_PAYMENT INVALID_REFUND_ACCOUNT_INFO EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT INVALID_REFUND_ACCOUNT_NUMBER
			INVALID_BANK NOT_MATCHES_REFUNDABLE_AMOUNT REFUND_REJECTED ALREADY_REFUND_PAYMENT FORBIDDEN_BANK_REFUND_REQUEST
			INVALID_IDEMPOTENCY_KEY`,
		401: `UNAUTHORIZED_KEY`,
		403: `REJECT_ACCOUNT_PAYMENT REJECT_CARD_PAYMENT REJECT_CARD_COMPANY FORBIDDEN_REQUEST REJECT_TOSSPAY_INVALID_ACCOUNT
			EXCEED_MAX_AUTH_COUNT EXCEED_MAX_ONE_DAY_AMOUNT NOT_AVAILABLE_BANK INVALID_PASSWORD INCORRECT_BASIC_AUTH_FORMAT FDS_ERROR
			NOT_CANCELABLE_AMOUNT NOT_CANCELABLE_PAYMENT FORBIDDEN_CONSECUTIVE_REQUEST EXCEED_MAX_REFUND_DUE NOT_ALLOWED_PARTIAL_REFUND
			NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER EXCEED_CANCEL_LIMIT`,
		404: `NOT_FOUND_PAYMENT NOT_FOUND_PAYMENT_SESSION`,
		500: `FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING FAILED_INTERNAL_SYSTEM_PROCESSING UNKNOWN_PAYMENT_ERROR FAILED_REFUND_PROCESS
			FAILED_PARTIAL_REFUND FAILED_METHOD_HANDLING_CANCEL COMMON_ERROR`,
	} {
		for code := range strings.FieldsSeq(codes) {
			m[code] = status
		}
	}
	return m
}()

// statusOf returns the HTTP status of a code; one that Toss does not document yet is a 400.
func statusOf(code string) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	return http.StatusBadRequest
}

// aborts tells whether a confirm that is refused with the code ends the payment: the card was asked and said no.
func aborts(code string) bool {
	return strings.HasPrefix(code, "REJECT_") || strings.HasPrefix(code, "EXCEED_MAX_") || strings.HasPrefix(code, "INVALID_CARD") ||
		code == "INVALID_REJECT_CARD" || code == "INVALID_STOPPED_CARD" || code == "INVALID_PASSWORD" || code == "FDS_ERROR" ||
		code == "RESTRICTED_TRANSFER_ACCOUNT" || code == "NOT_AVAILABLE_BANK"
}

var messages = map[string][2]string{ // Korean, English
	"ALREADY_PROCESSED_PAYMENT":     {"이미 처리된 결제 입니다.", "This is a payment that has already been processed."},
	"PROVIDER_ERROR":                {"일시적인 오류가 발생했습니다. 잠시 후 다시 시도해주세요.", "A temporary error has occurred. Please try again later."},
	"INVALID_REQUEST":               {"잘못된 요청입니다.", "The bad request."},
	"BELOW_MINIMUM_AMOUNT":          {"신용카드는 결제금액이 100원 이상, 계좌는 200원이상부터 결제가 가능합니다.", "Payment can be made from 100 won or more by credit card, and 200 won or more by account."},
	"REJECT_CARD_PAYMENT":           {"한도초과 혹은 잔액부족으로 결제에 실패했습니다.", "Payment has failed due to limit excess or insufficient balance."},
	"REJECT_CARD_COMPANY":           {"결제 승인이 거절되었습니다.", "Payment confirm is rejected."},
	"REJECT_ACCOUNT_PAYMENT":        {"잔액부족으로 결제에 실패했습니다.", "Payment has failed due to insufficient balance."},
	"INVALID_STOPPED_CARD":          {"정지된 카드 입니다.", "This is a suspended card."},
	"EXCEED_MAX_PAYMENT_AMOUNT":     {"하루 결제 가능 금액을 초과했습니다.", "The daily payment amount has been exceeded."},
	"UNAUTHORIZED_KEY":              {"인증되지 않은 시크릿 키 혹은 클라이언트 키 입니다.", "Unauthorized secretKey or clientKey."},
	"INCORRECT_BASIC_AUTH_FORMAT":   {"잘못된 요청입니다. ':' 를 포함해 인코딩해주세요.", "Bad request. Please encode including ':'."},
	"NOT_FOUND":                     {"존재하지 않는 정보 입니다.", "Not found."},
	"NOT_FOUND_PAYMENT":             {"존재하지 않는 결제 정보 입니다.", "Not found payment."},
	"NOT_FOUND_PAYMENT_SESSION":     {"결제 시간이 만료되어 결제 진행 데이터가 존재하지 않습니다.", "Payment session does not exist because the session time has expired."},
	"ALREADY_CANCELED_PAYMENT":      {"이미 취소된 결제 입니다.", "This payment has already been canceled."},
	"NOT_CANCELABLE_AMOUNT":         {"취소 할 수 없는 금액 입니다.", "The amount cannot be canceled."},
	"NOT_CANCELABLE_PAYMENT":        {"취소 할 수 없는 결제 입니다.", "The payment cannot be canceled."},
	"INVALID_REFUND_ACCOUNT_INFO":   {"환불 계좌번호와 예금주명이 일치하지 않습니다.", "The refund account does not match its holder."},
	"INVALID_IDEMPOTENCY_KEY":       {"멱등키는 300자 이하여야 합니다.", "The idempotency key has at most 300 characters."},
	"IDEMPOTENT_REQUEST_PROCESSING": {"이전 멱등 요청이 처리중입니다.", "The earlier idempotent request is being processed."},
	"TOO_MANY_REQUESTS":             {"요청이 너무 많습니다.", "Too many requests."},
}

func messageOf(code string, english bool) string {
	m, ok := messages[code]
	switch {
	case ok && english:
		return m[1]
	case ok:
		return m[0]
	case english:
		return "The request could not be processed."
	}
	return "요청을 처리할 수 없습니다."
}
