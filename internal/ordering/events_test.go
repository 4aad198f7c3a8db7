package ordering_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

// What others read of an order is a published language: a changed file is a changed contract.
func TestEvents(t *testing.T) {
	t.Parallel()

	change := func(version int64, state ordering.State) ordering.Change {
		return ordering.Change{
			OrderID:   uuid.MustParse("0198a000-0000-7000-8000-000000000001"),
			Version:   version,
			Number:    "S20261124ABCDEFGHJKLMNPQR",
			AccountID: uuid.MustParse("0198a000-0000-7000-8000-000000000003"),
			State:     state,
			Kind:      ordering.KindStandard,

			ItemsWon: 25_800, DiscountWon: 2_000, PointsWon: 800, ShippingWon: 0, TotalWon: 23_800, DueWon: 23_000,

			Lines: []ordering.Line{
				{ProductID: uuid.MustParse("0198a000-0000-7000-8000-000000000002"), Name: "린넨 셔츠", Quantity: 2, UnitPriceWon: 12_900, DiscountWon: 2_000},
			},
			At: time.Date(2026, 11, 24, 9, 0, 0, 678e6, time.UTC),
		}
	}
	part := change(6, ordering.StateConfirmed)
	part.RefundedWon, part.ReturnedWon = 11_400, 11_500
	refund := ordering.Refund{
		RefundID: uuid.MustParse("0198a000-0000-7000-8000-000000000004"), Restock: true, MoneyWon: 11_400, PointsBack: 400,
		Returned: []ordering.ReturnedLine{{ProductID: part.Lines[0].ProductID, Quantity: 1}},
	}
	for _, e := range []contracttest.Event{
		ordering.Placed{Change: change(1, ordering.StateAwaitingPayment)},
		ordering.Rejected{Change: change(1, ordering.StateRejected)},
		ordering.Expired{Change: change(2, ordering.StateExpired)},
		ordering.Paid{Change: change(2, ordering.StatePaid)},
		ordering.Canceled{Change: change(3, ordering.StateCanceled)},
		ordering.Shipped{Change: change(3, ordering.StateShipping), Carrier: "CJ대한통운", InvoiceNumber: "612345678901"},
		ordering.Delivered{Change: change(4, ordering.StateDelivered)},
		ordering.Confirmed{Change: change(5, ordering.StateConfirmed)},
		ordering.Refunded{Change: part, Refund: refund},
		ordering.RefundRefused{Change: change(6, ordering.StateConfirmed), Refund: refund},
	} {
		contracttest.Golden(t, e.EventType(), e)
	}
}
