package coupons_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

func TestEvents(t *testing.T) {
	t.Parallel()

	contracttest.Golden(t, "coupons.claimed.v1", coupons.Claimed{
		CouponID:   uuid.MustParse("0198b1f2-8e11-7d60-8a4c-0f1e2d3c4b5a"),
		Version:    1,
		CampaignID: uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"),
		AccountID:  uuid.MustParse("0198b1f2-0000-7000-8000-000000000001"),
		At:         time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
	})
}
