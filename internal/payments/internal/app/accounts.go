package app

import (
	"context"
	"fmt"

	"github.com/sasapick/shop/internal/payments"
)

// maxAccounts is how many orders one call may ask about.
const maxAccounts = 1000

// Accounts implements payments.Service. All of it is read at one instant.
func (s *Service) Accounts(ctx context.Context, in payments.AccountsInput) (payments.Accounts, error) {
	if len(in.OrderIDs) > maxAccounts {
		return payments.Accounts{}, fmt.Errorf("accounts of %d orders: at most %d at once", len(in.OrderIDs), maxAccounts)
	}
	rows, err := s.sql.AccountsOf(ctx, s.pool, in.OrderIDs)
	if err != nil {
		return payments.Accounts{}, fmt.Errorf("read accounts: %w", err)
	}
	found := payments.Accounts{Items: make([]payments.Account, len(rows))}
	for i, r := range rows {
		found.Items[i] = payments.Account{
			OrderID: r.OrderID, State: stateOf(r.State), AmountWon: r.AmountWon, CapturedWon: r.CapturedWon, RefundedWon: r.RefundedWon,
			RefundDue: r.RefundDue, MovedAt: r.MovedAt,
		}
	}
	return found, nil
}
