package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/pg"
)

var (
	dropCommit    = failpoint.New("catalog.drop.commit") // the pieces have moved between the pools, and the drop says so
	dropCommitted = failpoint.New("catalog.drop.committed")
)

// dropRounds is how often a drop is tried to be made that somebody else makes at the same moment.
const dropRounds = 3

// apportioned is a drop with the two pools that its pieces move between, under lock.
type apportioned struct {
	drop    db.CatalogDrop // of one that is not there yet: its ids alone
	exists  bool
	pool    db.Pool
	general db.Pool
	turn    uint64 // of the sighting of the pools
}

// shift moves pieces from general stock into the drop, or back.
func (a *apportioned) shift(into int64) {
	a.general.OnHand -= into
	a.pool.OnHand += into
}

// is tells whether the drop is what the settings say.
func (a *apportioned) is(in catalog.SetDropInput) bool {
	return a.drop.Quantity == in.Quantity && a.drop.StartsAt.Equal(in.StartsAt) && a.drop.EndsAt.Equal(in.EndsAt)
}

func (a *apportioned) told() catalog.Drop { return dropOf(a.drop, a.pool.OnHand, a.pool.Reserved) }

// dropOf is how a drop stands, with what is in its pool.
func dropOf(d db.CatalogDrop, onHand, reserved int64) catalog.Drop {
	return catalog.Drop{
		DropID: d.ID, ProductID: d.ProductID, Quantity: d.Quantity, Sold: d.Quantity - d.Returned - onHand, Held: reserved, Left: onHand - reserved,
		StartsAt: d.StartsAt, EndsAt: d.EndsAt, Closed: d.Closed, Revision: d.Revision,
	}
}

// SetDrop implements [catalog.Drops].
func (s *Service) SetDrop(ctx context.Context, in catalog.SetDropInput) (catalog.Drop, error) {
	in.StartsAt, in.EndsAt = kept(in.StartsAt), kept(in.EndsAt)
	if in.DropID == uuid.Nil || in.DropID == in.ProductID || in.Quantity < 1 || in.Revision < 1 || !in.StartsAt.Before(in.EndsAt) {
		return catalog.Drop{}, catalog.ErrBadDrop
	}
	return s.changeDrop(ctx, in.DropID, in.ProductID, func(a *apportioned) error {
		switch {
		case a.exists && a.drop.ProductID != in.ProductID:
			return catalog.ErrBadDrop.WithFields(fault.Field{Pointer: "/product_id", Detail: "a drop stays with its product"})
		case a.drop.Closed:
			return catalog.ErrDropClosed
		case in.Revision < a.drop.Revision, in.Revision == a.drop.Revision && !a.is(in):
			return catalog.ErrDropStale
		}
		more := in.Quantity - a.drop.Quantity
		if more > a.general.OnHand-a.general.Reserved {
			return catalog.ErrOutOfStock
		}
		if -more > a.pool.OnHand-a.pool.Reserved {
			return catalog.ErrDropBelowTaken
		}
		a.shift(more)
		a.drop.Quantity, a.drop.StartsAt, a.drop.EndsAt, a.drop.Revision = in.Quantity, in.StartsAt, in.EndsAt, in.Revision
		a.pool.LowAt = LowAt(in.Quantity)
		return nil
	})
}

// kept is a time as the database keeps it.
func kept(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// CloseDrop implements [catalog.Drops].
func (s *Service) CloseDrop(ctx context.Context, in catalog.CloseDropInput) (catalog.Drop, error) {
	known, err := s.sql.DropOf(ctx, s.pool, in.DropID) // its product is the same for ever
	if errors.Is(err, pgx.ErrNoRows) {
		return catalog.Drop{}, catalog.ErrNoDrop
	}
	if err != nil {
		return catalog.Drop{}, fmt.Errorf("look up drop: %w", err)
	}
	return s.changeDrop(ctx, in.DropID, known.ProductID, func(a *apportioned) error {
		if !a.drop.Closed {
			a.drop.Closed, a.drop.Returned = true, a.pool.OnHand-a.pool.Reserved
			a.shift(-a.drop.Returned)
		}
		return nil
	})
}

var errDropAgain = errors.New("the drop was made at the same moment")

// changeDrop changes a drop under the locks of its pool and of general stock, and writes what moved between them into both ledgers.
func (s *Service) changeDrop(ctx context.Context, drop, product uuid.UUID, change func(*apportioned) error) (catalog.Drop, error) {
	var after apportioned
	var err error
	for range dropRounds {
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			before, err := s.apportion(ctx, tx, drop, product)
			if err != nil {
				return err
			}
			after = before
			if err := change(&after); err != nil {
				return err
			}
			if err := s.writeDrop(ctx, tx, before, after); err != nil {
				return err
			}
			dropCommit.Hit()
			return nil
		})
		if !errors.Is(err, errDropAgain) && pg.Code(err) != uniqueViolation {
			break
		}
	}
	if err != nil {
		return catalog.Drop{}, err
	}
	dropCommitted.Hit()
	s.noteAll(map[uuid.UUID]db.Pool{drop: after.pool, product: after.general}, after.turn)
	s.details.Moved(ctx, product)
	return after.told(), nil
}

// apportion locks the pools and reads the drop after that, which nobody changes then.
func (s *Service) apportion(ctx context.Context, tx pgx.Tx, drop, product uuid.UUID) (apportioned, error) {
	a := apportioned{drop: db.CatalogDrop{ID: drop, ProductID: product}}
	rows, err := s.sql.LockPools(ctx, tx, []uuid.UUID{drop, product})
	if err != nil {
		return a, fmt.Errorf("lock pools: %w", err)
	}
	a.turn = s.scarce.turn()
	pools := make(map[uuid.UUID]db.Pool, len(rows))
	for _, r := range rows {
		pools[r.ID] = db.Pool(r)
	}
	var has bool
	if a.general, has = pools[product]; !has || a.general.ProductID != product {
		return a, catalog.ErrNoProduct
	}
	a.pool, has = pools[drop]
	row, err := s.sql.DropOf(ctx, tx, drop)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && has:
		return a, catalog.ErrBadDrop.WithFields(fault.Field{Pointer: "/drop_id", Detail: "it is the id of a product"})
	case errors.Is(err, pgx.ErrNoRows):
		a.pool = db.Pool{ID: drop, ProductID: product}
		return a, nil
	case err != nil:
		return a, fmt.Errorf("read drop: %w", err)
	case !has: // it was made while this one waited for its product
		return a, errDropAgain
	}
	a.drop, a.exists = row, true
	return a, nil
}

// writeDrop writes what has changed.
func (s *Service) writeDrop(ctx context.Context, tx pgx.Tx, before, after apportioned) error {
	d, at := after.drop, s.clock()
	if !before.exists {
		if err := s.sql.InsertDrop(ctx, tx, db.InsertDropParams{
			ID: d.ID, ProductID: d.ProductID, Quantity: d.Quantity, LowAt: after.pool.LowAt, StartsAt: d.StartsAt, EndsAt: d.EndsAt, Revision: d.Revision,
		}); err != nil {
			return fmt.Errorf("make drop: %w", err)
		}
	} else if d != before.drop {
		if err := s.sql.UpdateDrop(ctx, tx, db.UpdateDropParams{
			ID: d.ID, Quantity: d.Quantity, StartsAt: d.StartsAt, EndsAt: d.EndsAt, Returned: d.Returned, Closed: d.Closed, Revision: d.Revision,
		}); err != nil {
			return fmt.Errorf("change drop: %w", err)
		}
	}
	into := after.pool.OnHand - before.pool.OnHand
	if into == 0 {
		return nil
	}
	moved := []db.Pool{after.general}
	if before.exists {
		moved = append(moved, after.pool)
	}
	for _, p := range moved {
		if err := s.sql.SetPool(ctx, tx, db.SetPoolParams{ID: p.ID, OnHand: p.OnHand, LowAt: p.LowAt}); err != nil {
			return fmt.Errorf("move stock: %w", err)
		}
	}
	lines := db.InsertMovementsParams{At: at}
	lines.Shift(d.ProductID, d.ID, into)
	if err := s.sql.InsertMovements(ctx, tx, lines); err != nil {
		return fmt.Errorf("write to the ledger: %w", err)
	}
	if was, is := before.general, after.general; availabilityOf(was.OnHand-was.Reserved, was.LowAt) != availabilityOf(is.OnHand-is.Reserved, is.LowAt) {
		mark := db.MarkProductsParams{ProductIds: []uuid.UUID{d.ProductID}, Sold: []int64{0}}
		if err := s.sql.MarkProducts(ctx, tx, mark); err != nil {
			return fmt.Errorf("mark product: %w", err)
		}
	}
	return nil
}

// Drops implements [catalog.Drops].
func (s *Service) Drops(ctx context.Context, in catalog.DropsInput) (catalog.DropStates, error) {
	if len(in.DropIDs) > maxDrops {
		return catalog.DropStates{}, catalog.ErrTooManyDrops
	}
	rows, err := s.sql.DropsOf(ctx, s.pool, in.DropIDs)
	if err != nil {
		return catalog.DropStates{}, fmt.Errorf("read drops: %w", err)
	}
	found := make(map[uuid.UUID]catalog.Drop, len(rows))
	for _, r := range rows {
		found[r.ID] = dropOf(db.CatalogDrop{
			ID: r.ID, ProductID: r.ProductID, Quantity: r.Quantity, Returned: r.Returned, StartsAt: r.StartsAt, EndsAt: r.EndsAt, Closed: r.Closed, Revision: r.Revision,
		}, r.OnHand, r.Reserved)
	}
	states := catalog.DropStates{Items: []catalog.Drop{}}
	for _, id := range in.DropIDs { // in the order asked, each once
		if d, ok := found[id]; ok {
			states.Items = append(states.Items, d)
			delete(found, id)
		}
	}
	return states, nil
}

// maxDrops is how many drops one call may name.
const maxDrops = 200
