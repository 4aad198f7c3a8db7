package batch

import "context"

// Once returns a flight in which each key is there once: an input whose key another one has already gets that one's outcome.
func Once[Key comparable, In, Out any](
	key func(In) Key, flight func(ctx context.Context, in []In) ([]Result[Out], error),
) func(ctx context.Context, in []In) ([]Result[Out], error) {
	return func(ctx context.Context, in []In) ([]Result[Out], error) {
		at, once := make(map[Key]int, len(in)), make([]In, 0, len(in))
		for _, i := range in {
			if _, twice := at[key(i)]; !twice {
				at[key(i)] = len(once)
				once = append(once, i)
			}
		}
		outcomes, err := flight(ctx, once)
		if err != nil {
			return nil, err
		}
		results := make([]Result[Out], len(in))
		for n, i := range in {
			results[n] = outcomes[at[key(i)]]
		}
		return results, nil
	}
}
