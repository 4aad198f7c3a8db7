package elastic

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/olivere/elastic/v7"

	"github.com/sasapick/shop/internal/catalog/internal/app"
)

var _ app.Projection = (*Index)(nil)

// Standings implements app.Projection. It sees what was written, whether it can be found yet or not.
func (x *Index) Standings(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]app.Standing, error) {
	standings := make(map[uuid.UUID]app.Standing, len(ids))
	if len(ids) == 0 {
		return standings, nil
	}
	err := x.change(ctx, "look products up", func(ctx context.Context) error {
		request := x.client.MultiGet()
		for _, id := range ids {
			request.Add(elastic.NewMultiGetItem().Index(x.alias).Id(id.String()))
		}
		answer, err := request.Do(ctx)
		if err != nil {
			return err
		}
		for i, d := range answer.Docs {
			switch {
			case d.Error != nil:
				return fmt.Errorf("%s: %s", d.Error.Type, d.Error.Reason)
			case !d.Found:
				continue
			}
			var stored struct {
				Summary *app.Summary `json:"summary"` // nil: hidden
			}
			if err := json.Unmarshal(d.Source, &stored); err != nil {
				return fmt.Errorf("decode product %s: %w", ids[i], err)
			}
			standings[ids[i]] = app.Standing{Version: *d.Version}
			if stored.Summary != nil {
				standings[ids[i]] = app.Document{Summary: *stored.Summary, Visible: true}.Standing()
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return standings, nil
}

// Visible implements app.Projection. A cursor is the last product's id.
func (x *Index) Visible(ctx context.Context, cursor string, limit int) (ids []uuid.UUID, next string, err error) {
	err = x.change(ctx, "list products", func(ctx context.Context) error {
		request := x.client.Search(x.alias).Query(elastic.NewTermQuery("visible", true)).Sort("id", true).Size(limit).
			FetchSource(false).TrackTotalHits(false)
		if cursor != "" {
			request.SearchAfter(cursor)
		}
		answer, err := request.Do(ctx)
		if err != nil {
			return err
		}
		for _, hit := range answer.Hits.Hits {
			id, err := uuid.Parse(hit.Id)
			if err != nil {
				return fmt.Errorf("read the id of a product: %w", err)
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	if len(ids) == limit {
		next = ids[limit-1].String()
	}
	return ids, next, nil
}
