package idempotency_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/idempotency"
)

func TestKey(t *testing.T) {
	t.Parallel()

	type body struct {
		Quantity int               `json:"quantity"`
		Note     string            `json:"note,omitempty"`
		Extra    map[string]string `json:"extra,omitempty"`
	}
	first := idempotency.Of("k", "/v1/orders", body{Quantity: 1, Extra: map[string]string{"a": "1", "b": "2"}})
	require.Equal(t, "k", first.Value)
	require.Len(t, first.Hash, 32)

	for name, c := range map[string]struct {
		other idempotency.Key
		same  bool
	}{
		"Same":                 {idempotency.Of("k", "/v1/orders", body{Quantity: 1, Extra: map[string]string{"b": "2", "a": "1"}}), true},
		"OtherKeySameRequest":  {idempotency.Of("l", "/v1/orders", body{Quantity: 1, Extra: map[string]string{"a": "1", "b": "2"}}), true},
		"OtherBody":            {idempotency.Of("k", "/v1/orders", body{Quantity: 2, Extra: map[string]string{"a": "1", "b": "2"}}), false},
		"OtherPath":            {idempotency.Of("k", "/v1/orders/1/cancel", body{Quantity: 1, Extra: map[string]string{"a": "1", "b": "2"}}), false},
		"PathAndBodyDoNotMelt": {idempotency.Of("k", "/v1/orders{", "x"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			err := c.other.Check(first.Hash)
			if c.same {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, idempotency.ErrReused)
			}
		})
	}
	require.ErrorIs(t, first.Check(nil), idempotency.ErrReused)
	require.Panics(t, func() { idempotency.Of("k", "/", func() {}) })
}
