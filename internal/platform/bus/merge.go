package bus

import "context"

// Stream returns its next event, or false after the last.
type Stream func(ctx context.Context) (Envelope, bool, error)

// Merge hands over the events of all streams: each stream's in its order, and of what is next in several the oldest first.
// It holds one event of each.
func Merge(ctx context.Context, streams []Stream, each func(Envelope) error) error {
	type head struct {
		next  Stream
		event Envelope
	}
	var heads []head
	for _, s := range streams {
		e, ok, err := s(ctx)
		if err != nil {
			return err
		}
		if ok {
			heads = append(heads, head{s, e})
		}
	}
	for len(heads) > 0 {
		oldest := 0
		for i, h := range heads {
			if h.event.OccurredAt.Before(heads[oldest].event.OccurredAt) {
				oldest = i
			}
		}
		if err := each(heads[oldest].event); err != nil {
			return err
		}
		e, ok, err := heads[oldest].next(ctx)
		if err != nil {
			return err
		}
		if ok {
			heads[oldest].event = e
		} else {
			heads = append(heads[:oldest], heads[oldest+1:]...)
		}
	}
	return nil
}
