package remote_test

import (
	"testing"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/remote"
	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/platform/rpc"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.Remote(t, func(c *rpc.Client) accounts.Service { return remote.NewClient(c) }, remote.Service)
	contracttest.Remote(t, func(c *rpc.Client) accounts.Points { return remote.NewClient(c) }, remote.Points)
}
