package ordering_test

import (
	"testing"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.CheckEvents(t, "ordering",
		ordering.Placed{},
		ordering.Rejected{},
		ordering.Expired{},
		ordering.Paid{},
		ordering.Canceled{},
		ordering.Shipped{},
		ordering.Delivered{},
		ordering.Confirmed{},
	)
}
