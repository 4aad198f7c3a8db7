package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/batch"
)

// Each flight has a connection of its own, and so has the job that settles: however many shoppers read, and whatever the bus and the
// admins do, orders get through, and however many orders there are, the others find the module's pool as it was.
//
// There are few, as flights do not get faster by the number. What is spread over ten thousand products costs the database less in
// two flights of 128 orders than in eight of 32, and two flights for one product only wait for each other. Reservations have two,
// so that a pool which somebody else holds for long stops half of the shop at most; what reads has one.
const (
	reserveFlights = 2
	offerFlights   = 1
	settleJobs     = 1
)

// flights are the limits of the groups, by what they do.
type flights struct{ reserve, offers batch.Config }

func flightsWithin(l batch.Limits) flights {
	return flights{
		reserve: batch.Config{Name: "catalog.reserve", Shards: reserveFlights}.Within(l),
		offers:  batch.Config{Name: "catalog.offers", Shards: offerFlights}.Within(l),
	}
}

// busy says a full queue in the module's own words.
func busy(err error) error {
	if errors.Is(err, batch.ErrBusy) {
		return fmt.Errorf("%w: %w", catalog.ErrBusy.WithRetryAfter(time.Second), err)
	}
	return err
}
