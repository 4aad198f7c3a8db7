package elastic

import "context"

// Refresh makes what was written found.
func (x *Index) Refresh(ctx context.Context, generation string) error {
	_, err := x.client.Refresh(x.index(generation)).Do(ctx)
	return err
}
