package emulator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/clock"
)

// tossDelays are the pauses between Toss's eight tries.
var tossDelays = []time.Duration{
	time.Minute, 4 * time.Minute, 16 * time.Minute, 64 * time.Minute, 256 * time.Minute, 1024 * time.Minute, 4096 * time.Minute,
}

// maxDeliveries bounds the webhooks under way; more are dropped. They are hints: who misses one reads the payment.
const maxDeliveries = 1024

// webhooks delivers, each on a goroutine of its own, so that they overtake each other as Toss's do. They do not survive a restart.
type webhooks struct {
	client *http.Client
	delays []time.Duration
	clock  clock.Clock
	log    *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{}
	mu     sync.Mutex // of closed: nothing is started once it is set
	closed bool
	wg     sync.WaitGroup
}

func newWebhooks(c Config) *webhooks {
	h := &webhooks{client: c.WebhookClient, delays: c.WebhookDelays, clock: c.Clock, log: c.Logger}
	if h.client == nil {
		h.client = &http.Client{Timeout: 10 * time.Second}
	}
	if h.delays == nil {
		h.delays = tossDelays
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.slots = make(chan struct{}, maxDeliveries)
	return h
}

func (h *webhooks) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.wg.Wait()
}

// announce tells the shop what became of a payment.
func (e *Emulator) announce(change effect) {
	p := change.payment
	now := e.clock()
	e.mu.Lock()
	target := cmp.Or(e.state.sessions[p.OrderID].WebhookURL, e.config.WebhookURL)
	e.mu.Unlock()
	if change.cancel {
		e.hooks.send(target, map[string]any{
			"eventType": "CANCEL_STATUS_CHANGED", "createdAt": now.In(seoul).Format("2006-01-02T15:04:05.000000"), "data": p.Cancels[len(p.Cancels)-1],
		})
	}
	if p.Status != inProgress && p.Status != waiting && !p.canceling() && (!change.cancel || p.Cancels[len(p.Cancels)-1].CancelStatus == "DONE") {
		e.hooks.send(target, map[string]any{"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": now.In(seoul).Format("2006-01-02T15:04:05.000000"), "data": p.Payment})
	}
	if change.deposit && p.Secret != nil && p.LastTransactionKey != nil {
		e.hooks.send(target, map[string]any{
			"createdAt": now.In(seoul).Format("2006-01-02T15:04:05.000000"), "secret": *p.Secret, "status": p.Status,
			"transactionKey": *p.LastTransactionKey, "orderId": p.OrderID,
		})
	}
}

func (h *webhooks) send(target string, event any) {
	if target == "" {
		return
	}
	body, err := json.Marshal(event)
	if err != nil {
		panic("emulator: encode webhook: " + err.Error()) // our own structs
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	select {
	case h.slots <- struct{}{}:
	default:
		h.log.Warn("too many webhooks are under way; one is dropped")
		return
	}
	id := uuid.Must(uuid.NewV7()).String()
	h.wg.Go(func() {
		defer func() { <-h.slots }()
		h.deliver(target, id, body)
	})
}

// deliver tries until the shop answers 200, as often as Toss does.
func (h *webhooks) deliver(target, id string, body []byte) {
	for n := 0; ; n++ {
		err := h.try(target, id, n, body)
		if err == nil {
			return
		}
		if n >= len(h.delays) {
			h.log.Warn("a webhook was not taken", "transmission_id", id, "error", err)
			return
		}
		t := time.NewTimer(h.delays[n])
		select {
		case <-t.C:
		case <-h.ctx.Done():
			t.Stop()
			return
		}
	}
}

func (h *webhooks) try(target, id string, retried int, body []byte) error {
	ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("tosspayments-webhook-transmission-id", id)
	r.Header.Set("tosspayments-webhook-transmission-time", h.clock().In(seoul).Format(time.RFC3339))
	r.Header.Set("tosspayments-webhook-transmission-retried-count", strconv.Itoa(retried))
	resp, err := h.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode != http.StatusOK {
		return &statusError{resp.StatusCode}
	}
	return nil
}

type statusError struct{ status int }

func (e *statusError) Error() string { return "answered with status " + strconv.Itoa(e.status) }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
