package remote

import (
	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/platform/rpc"
)

// Service serves payments.Service to other processes.
func Service(s payments.Service) []rpc.Method {
	return []rpc.Method{
		rpc.On(module, "Open", s.Open),
		rpc.On(module, "Close", s.Close),
		rpc.On(module, "Confirm", s.Confirm),
		rpc.On(module, "Refund", s.Refund),
		rpc.On(module, "Payment", s.Payment),
		rpc.On(module, "Accounts", s.Accounts),
	}
}
