package coupons_test

import (
	"testing"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.Check[coupons.Service](t)
	contracttest.Check[coupons.Discounts](t)
	contracttest.CheckEvents(t, "coupons", coupons.Claimed{})
}
