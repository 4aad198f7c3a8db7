package payments_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

func TestEvents(t *testing.T) {
	t.Parallel()

	order, refund := uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"), uuid.MustParse("0198b1f2-8e11-7d60-8a4c-0f1e2d3c4b5a")
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	contracttest.Golden(t, "payments.captured.v1", payments.Captured{OrderID: order, Version: 1, AmountWon: 23_000, Method: "카드", At: at})
	contracttest.Golden(t, "payments.refunded.v1", payments.Refunded{OrderID: order, Version: 2, RefundID: refund, AmountWon: 23_000, At: at})
	contracttest.Golden(t, "payments.refund_refused.v1", payments.RefundRefused{OrderID: order, Version: 2, RefundID: refund, Code: "NOT_CANCELABLE_PAYMENT", At: at})
}
