package remote_test

import (
	"testing"

	"github.com/sasapick/shop/internal/payments"
	"github.com/sasapick/shop/internal/payments/internal/remote"
	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/platform/rpc"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.Remote(t, func(c *rpc.Client) payments.Service { return remote.NewClient(c) }, remote.Service)
}
