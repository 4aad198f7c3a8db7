package coupons

import (
	"time"

	"github.com/google/uuid"
)

// Events lists the type of each event that the module publishes.
var Events = []string{
	Claimed{}.EventType(),
}

// Claimed: an account has got a coupon.
type Claimed struct {
	CouponID   uuid.UUID `json:"coupon_id"`
	Version    int64     `json:"version"`
	CampaignID uuid.UUID `json:"campaign_id"`
	AccountID  uuid.UUID `json:"account_id"`
	At         time.Time `json:"at"`
}

func (Claimed) EventType() string         { return "coupons.claimed.v1" }
func (e Claimed) AggregateID() uuid.UUID  { return e.CouponID }
func (e Claimed) AggregateVersion() int64 { return e.Version }
