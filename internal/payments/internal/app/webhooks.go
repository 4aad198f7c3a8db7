package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/payments/internal/db"
	"github.com/sasapick/shop/internal/platform/fault"
)

// Limits of what strangers can make us keep.
const (
	maxWebhook        = 256 << 10
	maxWaitingHooks   = 20_000
	maxWebhookTries   = 12 // after which somebody should look at it
	webhooksKeptFor   = 7 * 24 * time.Hour
	maxForgottenHooks = 1000
)

var (
	errBadWebhook  = fault.New(fault.Malformed, "payments.bad_webhook", "this is no webhook of Toss")
	errHookTooLong = fault.New(fault.TooLarge, "payments.webhook_too_large", "a webhook has at most 256 KiB")
	errTooManyHook = fault.New(fault.Throttled, "payments.too_many_webhooks", "too many webhooks at once; send it again later").WithRetryAfter(time.Second)
)

// hook is what we read of a webhook. Nothing in it is believed: it says which payment to read.
type hook struct {
	EventType string `json:"eventType"`
	Secret    string `json:"secret"`  // of DEPOSIT_CALLBACK, which has no eventType
	OrderID   string `json:"orderId"` // likewise
	Data      struct {
		PaymentKey     string `json:"paymentKey"`
		OrderID        string `json:"orderId"`
		TransactionKey string `json:"transactionKey"` // of CANCEL_STATUS_CHANGED, whose data is a cancel and names no payment
	} `json:"data"`
}

// Receive keeps a webhook until it is processed. One that was received before changes nothing.
func (s *Service) Receive(ctx context.Context, transmissionID string, body []byte) error {
	if !s.webhooks.Allow() {
		return errTooManyHook
	}
	if len(body) > maxWebhook {
		return errHookTooLong
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil || object == nil {
		return errBadWebhook
	}
	if !printable(transmissionID) { // Toss always names it; the content does as well
		sum := sha256.Sum256(body)
		transmissionID = "sha256-" + hex.EncodeToString(sum[:])
	}
	waiting, err := s.sql.WaitingWebhooks(ctx, s.pool)
	if err != nil {
		return fmt.Errorf("count webhooks: %w", err)
	}
	if waiting > maxWaitingHooks {
		return errTooManyHook
	}
	webhookCommit.Hit()
	if _, err := s.sql.InsertWebhook(ctx, s.pool, db.InsertWebhookParams{TransmissionID: transmissionID, At: s.clock(), Body: body}); err != nil {
		return fmt.Errorf("keep webhook: %w", err)
	}
	webhookCommitted.Hit()
	return nil
}

func printable(id string) bool {
	for _, c := range id {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return id != "" && len(id) <= 200
}

// ProcessWebhooks reads back the payments that webhooks spoke of.
func (s *Service) ProcessWebhooks(ctx context.Context) error {
	due, err := s.sql.DueWebhooks(ctx, s.pool, db.DueWebhooksParams{Now: s.clock(), AtMost: maxWebhooks})
	if err != nil {
		return fmt.Errorf("find webhooks: %w", err)
	}
	err = each(ctx, due, s.processWebhook)
	if _, forgetting := s.sql.ForgetWebhooks(ctx, s.pool, db.ForgetWebhooksParams{Before: s.clock().Add(-webhooksKeptFor), AtMost: maxForgottenHooks}); forgetting != nil {
		err = errors.Join(err, fmt.Errorf("forget webhooks: %w", forgetting))
	}
	return err
}

// processWebhook follows a webhook. What could not be followed is followed again, later and later and without an end: a webhook may be
// all that tells of money which came past the shop.
func (s *Service) processWebhook(ctx context.Context, w db.Webhook) error {
	following, cancel := context.WithTimeout(ctx, s.config.GatewayLimit)
	defer cancel()
	var outcome string
	failed := guarded(func() (err error) {
		outcome, err = s.follow(following, w.Body)
		return err
	})
	if failed != nil {
		if ctx.Err() != nil {
			return failed // the shop stops; it is nobody's fault
		}
		outcome = hookFailed
		s.alerts.WithLabelValues("webhook_failed").Inc()
	}
	if outcome == hookMismatch {
		s.alerts.WithLabelValues("webhook_mismatch").Inc()
	}
	writing, done := afterwards(ctx)
	defer done()
	now := s.clock()
	var err error
	processedCommit.Hit()
	if outcome == hookUnknown || outcome == hookFailed {
		pause := backoff(w.Tries)
		if w.Tries >= maxWebhookTries {
			pause *= 6 // an hour
		}
		err = s.sql.PostponeWebhook(writing, s.pool, db.PostponeWebhookParams{TransmissionID: w.TransmissionID, NextAt: now.Add(pause), Outcome: outcome})
	} else {
		err = s.sql.FinishWebhook(writing, s.pool, db.FinishWebhookParams{
			TransmissionID: w.TransmissionID, At: &now, Outcome: outcome, KeepBody: outcome == hookRead || outcome == hookMismatch,
		})
	}
	if err != nil {
		return errors.Join(failed, fmt.Errorf("finish webhook: %w", err))
	}
	processedCommitted.Hit()
	return failed
}

// What came of a webhook.
const (
	hookRead     = "read"     // the payment was read back
	hookUnknown  = "unknown"  // it could not be
	hookFailed   = "failed"   // it was, and could not be written
	hookOthers   = "ignored"  // not about a payment of ours
	hookSecret   = "secret"   // a deposit's, with a secret that isn't the payment's
	hookMismatch = "mismatch" // what was read back is about something else: a person decides
)

// follow reads back the payment that a webhook speaks of. What does not name an order of ours costs the gateway nothing.
func (s *Service) follow(ctx context.Context, body []byte) (outcome string, err error) {
	var h hook
	if json.Unmarshal(body, &h) != nil {
		return hookOthers, nil
	}
	if h.EventType == "CANCEL_STATUS_CHANGED" {
		return s.followCancel(ctx, h)
	}
	number := h.Data.OrderID
	if h.EventType == "" {
		number = h.OrderID
	}
	if !orderNumbers.MatchString(number) {
		return hookOthers, nil
	}
	p, err := s.sql.PaymentByNumber(ctx, s.pool, number)
	if errors.Is(err, pgx.ErrNoRows) {
		return hookOthers, nil
	}
	if err != nil {
		return "", fmt.Errorf("read payment: %w", err)
	}
	attempts, err := s.sql.AttemptsOf(ctx, s.pool, p.OrderID)
	if err != nil {
		return "", fmt.Errorf("read attempts: %w", err)
	}
	key, ours := h.Data.PaymentKey, false
	if h.EventType == "" {
		if key, ours = deposited(h.Secret, attempts); !ours {
			return hookSecret, nil
		}
	}
	for _, a := range attempts {
		ours = ours || a.PaymentKey == key
	}
	if key != "" && !printable(key) {
		return hookOthers, nil
	}
	return s.followPayment(ctx, p, key, ours)
}

// followPayment reads the payment of a key, or of an order where there is none. What a stranger's key names is not our affair unless it
// is of this order; what our own key names must be.
func (s *Service) followPayment(ctx context.Context, p db.Payment, key string, ours bool) (outcome string, err error) {
	answer := s.read(ctx, byWebhook, key, *p.OrderNumber, p.AmountWon)
	if answer.OrderNumber != *p.OrderNumber && answer.Outcome != OutcomeUnknown && !ours && key != "" {
		return hookOthers, nil
	}
	switch answer.Outcome {
	case OutcomeUnknown:
		return hookUnknown, nil
	case OutcomePending: // no such payment, or not decided: a stranger's hint must not put off the job that asks again
		if answer.PaymentKey == "" {
			return hookOthers, nil
		}
		return hookRead, nil
	case OutcomeMismatch:
		outcome = hookMismatch
	default:
		outcome = hookRead
	}
	if key == "" {
		key = answer.PaymentKey
	}
	if err = s.trySettle(ctx, byWebhook, p.OrderID, key, answer); errors.Is(err, errTooSoon) {
		return hookUnknown, nil
	}
	return outcome, err
}

// followCancel has the refund looked at whose cancel the gateway has done, or could not do.
func (s *Service) followCancel(ctx context.Context, h hook) (outcome string, err error) {
	if !printable(h.Data.TransactionKey) {
		return hookOthers, nil
	}
	r, err := s.sql.RefundByCancelKey(ctx, s.pool, h.Data.TransactionKey)
	if errors.Is(err, pgx.ErrNoRows) {
		return hookOthers, nil
	}
	if err == nil {
		err = s.sql.HastenRefund(ctx, s.pool, db.HastenRefundParams{ID: r.ID, Now: s.clock()})
	}
	if err != nil {
		return "", fmt.Errorf("hasten refund: %w", err)
	}
	return hookRead, nil
}

// deposited finds the payment that a deposit's webhook speaks of by its secret. Before the answer to the confirm was written there is
// none, and the webhook is no more than the hint that each of them is: no key.
func deposited(secret string, attempts []db.Attempt) (paymentKey string, ok bool) {
	kept := false
	for _, a := range attempts {
		if a.Secret != "" {
			kept = true
			if subtle.ConstantTimeCompare([]byte(secret), []byte(a.Secret)) == 1 {
				return a.PaymentKey, true
			}
		}
	}
	return "", !kept
}
