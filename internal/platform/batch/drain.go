package batch

import (
	"context"
	"errors"
)

// ErrAgain is the error of a take that has changed nothing, as something came in its way that it will see the next time.
var ErrAgain = errors.New("something came in between")

// takes is how often a take runs that is in the way of others each time.
const takes = 4

// Drain empties a queue that is a table: it lets take do away with at most most rows at a time, in a transaction of its own, until
// one has met fewer. A take that returns [ErrAgain] runs again, four times in all.
func Drain(ctx context.Context, most int, take func(ctx context.Context, most int) (n int, err error)) error {
	for tried := 1; ; {
		n, err := take(ctx, most)
		switch {
		case errors.Is(err, ErrAgain) && tried < takes:
			tried++
		case err != nil || n < most:
			return err
		default:
			tried = 1
		}
	}
}
