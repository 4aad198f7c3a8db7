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
	maxWebhookTries   = 12
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
		PaymentKey string `json:"paymentKey"`
		OrderID    string `json:"orderId"`
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
	if _, err := s.sql.InsertWebhook(ctx, s.pool, db.InsertWebhookParams{TransmissionID: transmissionID, At: s.clock(), Body: body}); err != nil {
		return fmt.Errorf("keep webhook: %w", err)
	}
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

func (s *Service) processWebhook(ctx context.Context, w db.Webhook) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.GatewayLimit)
	defer cancel()
	outcome, err := s.follow(ctx, w.Body)
	if err != nil {
		return err
	}
	now := s.clock()
	if outcome == hookUnknown && w.Tries < maxWebhookTries {
		err = s.sql.PostponeWebhook(ctx, s.pool, db.PostponeWebhookParams{TransmissionID: w.TransmissionID, NextAt: now.Add(backoff(w.Tries)), Outcome: outcome})
	} else {
		err = s.sql.FinishWebhook(ctx, s.pool, db.FinishWebhookParams{
			TransmissionID: w.TransmissionID, At: &now, Outcome: outcome, KeepBody: outcome == hookRead,
		})
	}
	if err != nil {
		return fmt.Errorf("finish webhook: %w", err)
	}
	return nil
}

// What came of a webhook.
const (
	hookRead    = "read"    // the payment was read back
	hookUnknown = "unknown" // it could not be
	hookOthers  = "ignored" // not about a payment of ours
	hookSecret  = "secret"  // a deposit's, with a secret that isn't the payment's
)

// follow reads back the payment that a webhook speaks of. What does not name an order of ours costs the gateway nothing.
func (s *Service) follow(ctx context.Context, body []byte) (outcome string, err error) {
	var h hook
	if json.Unmarshal(body, &h) != nil {
		return hookOthers, nil
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
	if h.EventType == "" && !knows(h.Secret, attempts) {
		return hookSecret, nil
	}
	key := ""
	for _, a := range attempts {
		if a.PaymentKey == h.Data.PaymentKey {
			key = a.PaymentKey
		}
	}
	answer := s.read(ctx, p, key)
	if answer.Outcome == OutcomeUnknown {
		return hookUnknown, nil
	}
	switch {
	case answer.PaymentKey == "": // the gateway has no such payment, whatever the webhook says
		return hookOthers, nil
	case answer.Outcome == OutcomePending: // a stranger's hint must not put off the job that asks again
		return hookRead, nil
	}
	return hookRead, s.settle(ctx, p.OrderID, answer.PaymentKey, answer)
}

// read reads a payment back by its key where we know one, else by its order.
func (s *Service) read(ctx context.Context, p db.Payment, paymentKey string) Answer {
	var answer Answer
	if paymentKey != "" {
		answer = s.gateway.Payment(ctx, paymentKey)
	} else {
		answer = s.gateway.PaymentByOrder(ctx, *p.OrderNumber)
	}
	if answer.PaymentKey != "" && answer.OrderNumber != *p.OrderNumber {
		return Answer{Outcome: OutcomeUnknown, Code: "SHOP_OTHER_PAYMENT"}
	}
	return answer
}

// knows checks the secret of a deposit's webhook. Before the answer to the confirm was written there is none, and the webhook is no
// more than the hint that each of them is.
func knows(secret string, attempts []db.Attempt) bool {
	kept := false
	for _, a := range attempts {
		if a.Secret != "" {
			kept = true
			if subtle.ConstantTimeCompare([]byte(secret), []byte(a.Secret)) == 1 {
				return true
			}
		}
	}
	return !kept
}
