package payments_test

import (
	"testing"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.Check[payments.Service](t)
	contracttest.CheckEvents(t, "payments",
		payments.Captured{},
		payments.Refunded{},
		payments.RefundRefused{},
	)
}
