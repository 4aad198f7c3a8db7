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
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/web"
)

var (
	movementCommit    = failpoint.New("catalog.movement.commit") // the pool has moved and the ledger says so
	movementCommitted = failpoint.New("catalog.movement.committed")
)

// The movements that an admin makes; orders and drops make the others.
const (
	KindReceive = "receive" // goods came in
	KindAdjust  = "adjust"  // a count found more, or less
	KindDamage  = "damage"  // goods that cannot be sold
)

// MoveInput moves the stock of a product.
type MoveInput struct {
	ProductID uuid.UUID
	Kind      string
	Quantity  int64 // of damage: how many pieces, a positive number
	Reason    string
	Key       idempotency.Key
}

// Movement is a line of the ledger.
type Movement struct {
	ID        uuid.UUID  `json:"id" doc:"The movement's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	ProductID uuid.UUID  `json:"product_id" doc:"Whose stock moved." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Kind      string     `json:"kind" enum:"receive,adjust,damage,sell,restock,return,set_aside,set_back" doc:"Why it moved; restock: its order was given up before it was shipped." example:"receive"`
	Quantity  int64      `json:"quantity" doc:"How many pieces came, or went if negative." example:"100"`
	Reason    string     `json:"reason" doc:"What the admin had to say." example:"delivery 2026-0042"`
	OrderID   *uuid.UUID `json:"order_id,omitempty" doc:"The order that was paid, or given up, or came back."`
	RefundID  *uuid.UUID `json:"refund_id,omitempty" doc:"The refund of the order that the pieces came back with."`
	DropID    *uuid.UUID `json:"drop_id,omitempty" doc:"The drop that the pieces were set aside for, or came back from."`
	ActorID   *uuid.UUID `json:"actor_id,omitempty" doc:"The admin."`
	At        time.Time  `json:"at" doc:"When." example:"2026-01-02T03:00:00Z"`
}

func movementOf(product uuid.UUID, m db.CatalogStockMovement) Movement {
	return Movement{
		ID: m.ID, ProductID: product, Kind: m.Kind, Quantity: m.Quantity, Reason: m.Reason, OrderID: m.OrderID, RefundID: m.RefundID, DropID: m.DropID, ActorID: m.ActorID, At: m.At,
	}
}

// signed is the movement's quantity as the ledger has it.
func (in MoveInput) signed() (int64, error) {
	refuse := func(detail string) (int64, error) {
		return 0, web.ErrInvalid.WithFields(fault.Field{Pointer: "/quantity", Detail: detail})
	}
	switch {
	case in.Quantity == 0:
		return refuse("must not be 0")
	case in.Kind == KindAdjust:
		return in.Quantity, nil
	case in.Quantity < 0:
		return refuse("must be positive: only adjust takes away with a negative number")
	case in.Kind == KindDamage:
		return -in.Quantity, nil
	}
	return in.Quantity, nil
}

// Move changes a product's stock by a line in the ledger. A repeat with the same key returns the first line; replayed says so.
func (s *Service) Move(ctx context.Context, in MoveInput) (m Movement, replayed bool, err error) {
	quantity, err := in.signed()
	if err != nil {
		return Movement{}, false, err
	}
	actor := auth.Must(ctx).AccountID
	if m, ok, err := s.movedBefore(ctx, s.pool, actor, in); ok || err != nil {
		return m, ok, err
	}
	var after db.Pool
	var turn uint64
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		pool, err := s.sql.PoolForUpdate(ctx, tx, in.ProductID)
		if errors.Is(err, pgx.ErrNoRows) {
			return catalog.ErrNoProduct
		}
		if err != nil {
			return fmt.Errorf("lock pool: %w", err)
		}
		turn = s.scarce.turn()
		if m, replayed, err = s.movedBefore(ctx, tx, actor, in); replayed || err != nil {
			return err // the first request with the key had the lock
		}
		m, after, err = s.move(ctx, tx, actor, db.Pool(pool), in, quantity)
		movementCommit.Hit()
		return err
	})
	if pg.Code(err) == uniqueViolation { // the same key for another product, at the same moment
		m, replayed, err = s.movedBefore(ctx, s.pool, actor, in)
	}
	if err == nil && !replayed {
		movementCommitted.Hit()
		s.scarce.note(in.ProductID, after.OnHand-after.Reserved, after.LowAt, turn)
		s.details.Moved(ctx, in.ProductID)
	}
	return m, replayed, err
}

func (s *Service) move(ctx context.Context, tx pgx.Tx, actor uuid.UUID, before db.Pool, in MoveInput, quantity int64) (Movement, db.Pool, error) {
	after := before
	after.OnHand += quantity
	if after.OnHand < before.Reserved {
		return Movement{}, before, catalog.ErrStockBelowReserved
	}
	if in.Kind == KindReceive {
		after.LowAt = LowAt(after.OnHand)
	}
	if err := s.sql.SetPool(ctx, tx, db.SetPoolParams{ID: before.ID, OnHand: after.OnHand, LowAt: after.LowAt}); err != nil {
		return Movement{}, before, fmt.Errorf("move stock: %w", err)
	}
	row, err := s.sql.InsertMovement(ctx, tx, db.InsertMovementParams{
		ID: uuid.Must(uuid.NewV7()), PoolID: before.ID, Kind: in.Kind, Quantity: quantity, Reason: in.Reason, ActorID: &actor,
		IdempotencyKey: &in.Key.Value, IdempotencyHash: in.Key.Hash, At: s.clock(),
	})
	if err != nil {
		return Movement{}, before, fmt.Errorf("write to the ledger: %w", err)
	}
	if availabilityOf(before.OnHand-before.Reserved, before.LowAt) != availabilityOf(after.OnHand-after.Reserved, after.LowAt) {
		mark := db.MarkProductsParams{ProductIds: []uuid.UUID{before.ProductID}, Sold: []int64{0}}
		if err := s.sql.MarkProducts(ctx, tx, mark); err != nil {
			return Movement{}, before, fmt.Errorf("mark product: %w", err)
		}
	}
	type stock struct {
		OnHand   int64  `json:"on_hand"`
		Kind     string `json:"kind,omitempty"`
		Quantity int64  `json:"quantity,omitempty"`
		Reason   string `json:"reason,omitempty"`
	}
	err = s.audit.Add(ctx, tx, audit.Entry{
		Action: "stock_movements.create", Subject: before.ProductID.String(),
		Before: stock{OnHand: before.OnHand}, After: stock{after.OnHand, in.Kind, quantity, in.Reason},
	})
	return movementOf(before.ProductID, row), after, err
}

// movedBefore finds the line that the key made already.
func (s *Service) movedBefore(ctx context.Context, conn db.DBTX, actor uuid.UUID, in MoveInput) (Movement, bool, error) {
	row, err := s.sql.MovementByKey(ctx, conn, db.MovementByKeyParams{ActorID: &actor, IdempotencyKey: &in.Key.Value})
	if errors.Is(err, pgx.ErrNoRows) {
		return Movement{}, false, nil
	}
	if err != nil {
		return Movement{}, false, fmt.Errorf("look up idempotency key: %w", err)
	}
	if err := in.Key.Check(row.IdempotencyHash); err != nil {
		return Movement{}, false, err
	}
	return movementOf(in.ProductID, row), true, nil
}

// Movements lists the ledger of a product, the latest first.
func (s *Service) Movements(ctx context.Context, product uuid.UUID, page web.PageQuery) (web.Page[Movement], error) {
	if _, err := s.ManagedProduct(ctx, product); err != nil {
		return web.Page[Movement]{}, err
	}
	from := position{ID: uuid.Max}
	if err := web.DecodeCursor(page.Cursor, &from); err != nil {
		return web.Page[Movement]{}, err
	}
	rows, err := s.sql.MovementsPage(ctx, s.pool, db.MovementsPageParams{PoolID: product, Before: from.ID, RowLimit: int32(page.Limit) + 1})
	if err != nil {
		return web.Page[Movement]{}, fmt.Errorf("list movements: %w", err)
	}
	movements := make([]Movement, len(rows))
	for i, r := range rows {
		movements[i] = movementOf(product, r)
	}
	return web.PageOf(movements, page.Limit, func(m Movement) any { return position{m.ID} }), nil
}
