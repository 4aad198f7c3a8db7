package bustest

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/sasapick/shop/internal/platform/pgtest"
)

// Main runs a package's tests, stops their database and fails if a goroutine is left.
func Main(m *testing.M, options ...goleak.Option) { goleak.VerifyTestMain(stopping{m}, options...) }

type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	defer pgtest.Stop()
	return s.m.Run()
}
