package remote_test

import (
	"testing"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/remote"
	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/platform/rpc"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.Remote(t, func(c *rpc.Client) coupons.Service { return remote.NewClient(c) }, remote.Service)
	contracttest.Remote(t, func(c *rpc.Client) coupons.Discounts { return remote.NewClient(c) }, remote.Discounts)
}
