package accounts_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.Check[accounts.Service](t)
	contracttest.Check[accounts.Admins](t)
	contracttest.Check[accounts.Points](t)
	contracttest.CheckEvents(t, "accounts",
		accounts.Registered{},
		accounts.RoleChanged{},
		accounts.TierChanged{},
		accounts.Suspended{},
		accounts.Reinstated{},
		accounts.Closed{},
	)
}

// The files are what other modules read: a difference is a change of the published language.
func TestEventPayloads(t *testing.T) {
	t.Parallel()

	id := uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d")
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for _, e := range []contracttest.Event{
		accounts.Registered{AccountID: id, Version: 1, Role: "shopper", At: at},
		accounts.RoleChanged{AccountID: id, Version: 2, Role: "manager", At: at},
		accounts.TierChanged{AccountID: id, Version: 6, Old: accounts.Silver, New: accounts.Gold, At: at},
		accounts.Suspended{AccountID: id, Version: 3, Reason: "resale by bots", At: at},
		accounts.Reinstated{AccountID: id, Version: 4, At: at},
		accounts.Closed{AccountID: id, Version: 5, At: at},
	} {
		contracttest.Golden(t, e.EventType(), e)
	}
}
