package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/books"
)

const (
	comparedPage = 2000            // products that are compared at a time
	resting      = 5 * time.Second // without a change, until a product is compared
)

// Book is what must hold of the projection.
func (p *Projector) Book() books.Invariant {
	i := invariant("projections."+p.store, "what "+p.store+" has of each product that is at rest is what the truth says: that it is visible, its version, its availability", p.check)
	i.Settles = true
	return i
}

// compared is the checkpoint of a projection: the truth's products are compared with it first, and then it with them. A look goes as
// far as it has time for, and the next one goes on from there; after the last page it begins anew.
type compared struct {
	After  uuid.UUID `json:"after"`  // the truth's products up to this one are compared
	Stored bool      `json:"stored"` // they all are, and the store's up to the cursor
	Cursor string    `json:"cursor"`
}

func (p *Projector) check(ctx context.Context, from string) (found books.Finding, err error) {
	var at compared
	if from != "" {
		if err := json.Unmarshal([]byte(from), &at); err != nil {
			return found, fmt.Errorf("read the checkpoint: %w", err)
		}
	}
	current, err := p.projection.Current(ctx)
	if err != nil || current == "" { // nobody reads it yet
		return found, err
	}
	over := books.Spent(ctx, 0.5)
	for ended := false; !ended && len(found.Wrong) < books.MostWrong; {
		compare := p.compareTruth
		if at.Stored {
			compare = p.compareStore
		}
		if at, err = compare(ctx, at, &found); err != nil {
			return found, err
		}
		if ended = at == (compared{}); !ended && over() {
			found.Short = true
			break
		}
	}
	left, err := json.Marshal(at)
	found.Through = string(left)
	return found, err
}

// compareTruth looks a page of the truth's products up in the store. One that nobody may see need not be there.
func (p *Projector) compareTruth(ctx context.Context, at compared, found *books.Finding) (next compared, err error) {
	rows, err := p.sql.ProductsAfter(ctx, p.pool, db.ProductsAfterParams{
		After: at.After, RestingSince: p.clock().Add(-resting), RowLimit: comparedPage,
	})
	if err != nil {
		return at, fmt.Errorf("list products: %w", err)
	}
	says, ids := map[uuid.UUID]Standing{}, []uuid.UUID{}
	for _, r := range rows {
		if r.AtRest {
			says[r.ID], ids = standingOf(db.StandingsOfRow{ID: r.ID, State: r.State, DocVersion: r.DocVersion, Available: r.Available, LowAt: r.LowAt}), append(ids, r.ID)
		}
	}
	has, err := p.projection.Standings(ctx, ids)
	if err != nil {
		return at, err
	}
	found.Looked += int64(len(ids))
	for _, id := range ids {
		truth, stored := says[id], has[id] // none: not visible
		if truth != stored && (truth.Visible || stored.Visible) {
			found.Wrong = append(found.Wrong, books.Wrong(id, "%s has %s, and the truth is %s", p.store, stored, truth))
		}
	}
	if len(rows) < comparedPage {
		return compared{Stored: true}, nil
	}
	return compared{After: rows[len(rows)-1].ID}, nil
}

// compareStore looks a page of what the store shows up in the truth.
func (p *Projector) compareStore(ctx context.Context, at compared, found *books.Finding) (next compared, err error) {
	ids, cursor, err := p.projection.Visible(ctx, at.Cursor, comparedPage)
	if err != nil {
		return at, err
	}
	rows, err := p.sql.StandingsOf(ctx, p.pool, ids)
	if err != nil {
		return at, fmt.Errorf("look up products: %w", err)
	}
	visible := make(map[uuid.UUID]bool, len(rows))
	for _, r := range rows {
		visible[r.ID] = r.State == StatePublished
	}
	found.Looked += int64(len(ids))
	for _, id := range ids {
		if !visible[id] {
			found.Wrong = append(found.Wrong, books.Wrong(id, "%s shows it, and nobody may see it, or it is not there", p.store))
		}
	}
	return compared{Stored: cursor != "", Cursor: cursor}, nil
}

// String is for people.
func (s Standing) String() string {
	if !s.Visible {
		return fmt.Sprintf("nothing to show of version %d", s.Version)
	}
	return fmt.Sprintf("version %d, %s", s.Version, s.Availability)
}
