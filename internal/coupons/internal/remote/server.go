package remote

import (
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/rpc"
)

// Service serves coupons.Service to other processes.
func Service(s coupons.Service) []rpc.Method {
	return []rpc.Method{
		rpc.On(module, "Claim", s.Claim),
		rpc.On(module, "Counts", s.Counts),
	}
}

// Discounts serves coupons.Discounts to other processes.
func Discounts(s coupons.Discounts) []rpc.Method {
	return []rpc.Method{
		rpc.On(module, "Quote", s.Quote),
		rpc.On(module, "Redeem", s.Redeem),
		rpc.On(module, "Redemptions", s.Redemptions),
		rpc.On(module, "OpenRedemptions", s.OpenRedemptions),
	}
}
