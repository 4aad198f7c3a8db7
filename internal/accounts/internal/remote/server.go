package remote

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/rpc"
)

// Service serves accounts.Service to other processes.
func Service(s accounts.Service) []rpc.Method {
	return []rpc.Method{
		rpc.On(module, "Account", s.Account),
		rpc.On(module, "Address", s.Address),
	}
}

// Points serves accounts.Points to other processes.
func Points(s accounts.Points) []rpc.Method {
	return []rpc.Method{
		rpc.On(module, "Hold", s.Hold),
		rpc.On(module, "TakeBack", s.TakeBack),
		rpc.On(module, "Holds", s.Holds),
		rpc.On(module, "OpenHolds", s.OpenHolds),
	}
}

// Source serves what tokens are checked by to other processes.
func Source(s auth.Source) []rpc.Method {
	return []rpc.Method{
		rpc.On(module, "SigningKeys", func(ctx context.Context, _ signingKeysInput) (signingKeys, error) {
			keys, err := s.SigningKeys(ctx)
			return signingKeys{JWKS: auth.JWKS(keys)}, err
		}),
		rpc.On(module, "Revocations", func(ctx context.Context, _ revocationsInput) (revocations, error) {
			list, err := s.Revocations(ctx)
			items := make([]revocation, len(list))
			for i, r := range list {
				items[i] = revocation(r)
			}
			return revocations{Items: items}, err
		}),
	}
}

type signingKeysInput struct{}

// signingKeys is a JSON Web Key Set.
type signingKeys struct {
	JWKS json.RawMessage `json:"jwks"`
}

type revocationsInput struct{}

type revocations struct {
	Items []revocation `json:"items"`
}

type revocation struct {
	AccountID uuid.UUID `json:"account_id"`
	SessionID uuid.UUID `json:"session_id"`
	At        time.Time `json:"at"`
}
