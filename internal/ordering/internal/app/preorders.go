package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

// PreorderState is what shoppers are told of a pre-order. It follows from the clock and from what is left: nobody opens or closes one.
type PreorderState string

const (
	PreorderScheduled PreorderState = "scheduled"
	PreorderOpen      PreorderState = "open"
	PreorderSoldOut   PreorderState = "sold_out" // until somebody who has not paid gives a piece back
	PreorderEnded     PreorderState = "ended"
	PreorderCanceled  PreorderState = "canceled"
)

// Preorder is a number of pieces of a product that are sold before it is released.
type Preorder struct {
	db.Preorder
	Drop catalog.Drop
	Now  time.Time
}

// StateNow tells where it is.
func (p Preorder) StateNow() PreorderState {
	switch {
	case p.Preorder.State == "canceled":
		return PreorderCanceled
	case p.Now.Before(p.Drop.StartsAt):
		return PreorderScheduled
	case p.Drop.Closed || !p.Now.Before(p.Drop.EndsAt):
		return PreorderEnded
	case p.Drop.Left == 0:
		return PreorderSoldOut
	default:
		return PreorderOpen
	}
}

// ETag names what was edited; sales move without it.
func (p Preorder) ETag() string { return web.ETag("ordering.preorder", p.ID, p.Version) }

// PreorderSettings is what an admin decides about a pre-order.
type PreorderSettings struct {
	ProductID   uuid.UUID `json:"product_id"`
	Title       string    `json:"title"`
	Quantity    int64     `json:"quantity"`
	PerCustomer int32     `json:"per_customer"`
	StartsAt    time.Time `json:"starts_at"`
	EndsAt      time.Time `json:"ends_at"`
	ReleasesAt  time.Time `json:"releases_at"`
}

// PreorderEdit is a change of them; what is nil stays.
type PreorderEdit struct {
	Title       *string
	Quantity    *int64
	PerCustomer *int32
	StartsAt    *time.Time
	EndsAt      *time.Time
	ReleasesAt  *time.Time
}

func (p Preorder) settings() PreorderSettings {
	return PreorderSettings{
		ProductID: p.ProductID, Title: p.Title, Quantity: p.Drop.Quantity, PerCustomer: p.PerCustomer,
		StartsAt: p.Drop.StartsAt.UTC(), EndsAt: p.Drop.EndsAt.UTC(), ReleasesAt: p.ReleasesAt.UTC(),
	}
}

// with is the settings after an edit.
func (s PreorderSettings) with(e PreorderEdit) PreorderSettings {
	set(&s.Title, e.Title)
	set(&s.Quantity, e.Quantity)
	set(&s.PerCustomer, e.PerCustomer)
	set(&s.StartsAt, e.StartsAt)
	set(&s.EndsAt, e.EndsAt)
	set(&s.ReleasesAt, e.ReleasesAt)
	return s
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// valid returns the settings as they are stored: trimmed, in UTC, to the millisecond.
func (s PreorderSettings) valid() (PreorderSettings, error) {
	s.Title = strings.TrimSpace(s.Title)
	for _, at := range []*time.Time{&s.StartsAt, &s.EndsAt, &s.ReleasesAt} {
		*at = at.UTC().Truncate(time.Millisecond)
		if at.Year() < 2000 || at.Year() > 9999 { // what RFC 3339 can write, whatever the zone it came in
			return s, ordering.ErrBadPreorder.WithDetail("its times must lie between the years 2000 and 9999")
		}
	}
	var wrong []fault.Field
	if s.Title == "" {
		wrong = append(wrong, fault.Field{Pointer: "/title", Detail: "must not be blank"})
	}
	if !s.StartsAt.Before(s.EndsAt) {
		wrong = append(wrong, fault.Field{Pointer: "/ends_at", Detail: "must be after starts_at"})
	}
	if s.ReleasesAt.Before(s.StartsAt) {
		wrong = append(wrong, fault.Field{Pointer: "/releases_at", Detail: "must not be before starts_at"})
	}
	if wrong != nil {
		return s, ordering.ErrBadPreorder.WithFields(wrong...)
	}
	return s, nil
}

func (s PreorderSettings) drop(id uuid.UUID, revision int64) catalog.SetDropInput {
	return catalog.SetDropInput{DropID: id, ProductID: s.ProductID, Quantity: s.Quantity, StartsAt: s.StartsAt, EndsAt: s.EndsAt, Revision: revision}
}

// When a job looks at a pre-order that nobody asks about.
const (
	draftAge   = time.Minute // longer than any call between modules: who made the draft is dead
	closeAfter = time.Hour   // after its end, until when that can still be moved
)

// CreatePreorder makes a pre-order. Its row comes first, as a draft that nobody sees: whoever dies before the catalog has set the pieces
// aside, or before that is noted, leaves a draft that a job gives up, with its pieces.
func (s *Service) CreatePreorder(ctx context.Context, settings PreorderSettings) (Preorder, error) {
	settings, err := settings.valid()
	if err != nil {
		return Preorder{}, err
	}
	draft, err := s.sql.InsertPreorder(ctx, s.pool, db.InsertPreorderParams{
		ID: uuid.Must(uuid.NewV7()), ProductID: settings.ProductID, Title: settings.Title, PerCustomer: settings.PerCustomer,
		ReleasesAt: settings.ReleasesAt, At: s.clock(), AttendAt: new(s.clock().Add(draftAge)),
	})
	if err != nil {
		return Preorder{}, fmt.Errorf("insert a pre-order: %w", err)
	}
	drop, err := s.setDrop(ctx, settings.drop(draft.ID, draft.Version))
	dropCalled.Hit()
	if err != nil {
		if _, ok := refused(err); ok {
			err = errors.Join(err, s.sql.DeletePreorder(ctx, s.pool, draft.ID)) // nothing was set aside
		}
		return Preorder{}, err
	}
	p := Preorder{Drop: drop, Now: s.clock()}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var err error
		p.Preorder, err = s.sql.ReadyPreorder(ctx, tx, db.ReadyPreorderParams{ID: draft.ID, AttendAt: new(settings.EndsAt.Add(closeAfter))})
		if errors.Is(err, pgx.ErrNoRows) {
			return errGivenUp
		}
		if err != nil {
			return fmt.Errorf("open a pre-order: %w", err)
		}
		return s.audit.Add(ctx, tx, audit.Entry{Action: "ordering.create_preorder", Subject: draft.ID.String(), After: settings})
	})
	if errors.Is(err, errGivenUp) { // the job came before the pieces were set aside, and comes once more; sooner is better
		err = errors.Join(err, s.closeDrop(context.WithoutCancel(ctx), draft.ID))
	}
	return p, err
}

var errGivenUp = errors.New("a job has given the pre-order up")

func (s *Service) setDrop(ctx context.Context, in catalog.SetDropInput) (catalog.Drop, error) {
	ctx, cancel := s.call(ctx)
	defer cancel()
	return s.drops.SetDrop(ctx, in)
}

// EditPreorder changes a pre-order that is as it was when ifMatch was read. What the catalog keeps is changed first: it may refuse. It
// takes each revision once, so that of two who edit at once one is told that he is late; and one that an editor who died has left there is
// made the pre-order's by the next editor.
func (s *Service) EditPreorder(ctx context.Context, id uuid.UUID, ifMatch string, edit PreorderEdit) (Preorder, error) {
	before, err := s.Preorder(ctx, id)
	if err != nil {
		return Preorder{}, err
	}
	if err := web.CheckIfMatch(ifMatch, before.ETag()); err != nil {
		return Preorder{}, err
	}
	switch {
	case before.Preorder.State == "canceled":
		return Preorder{}, ordering.ErrPreorderCanceled
	case before.Drop.Revision > before.Version:
		if _, err := s.keepEdit(ctx, before, before.settings(), before.Drop); err != nil {
			return Preorder{}, err
		}
		return Preorder{}, web.ErrStale
	}
	after, err := before.settings().with(edit).valid()
	switch {
	case err != nil:
		return Preorder{}, err
	case after.PerCustomer < before.PerCustomer: // somebody may have more already
		return Preorder{}, ordering.ErrBadPreorder.WithFields(fault.Field{Pointer: "/per_customer", Detail: fmt.Sprintf("may only grow; it is %d", before.PerCustomer)})
	case after == before.settings():
		return before, nil
	}
	drop, err := s.setDrop(ctx, after.drop(id, before.Version+1))
	dropEdited.Hit()
	if errors.Is(err, catalog.ErrDropStale) {
		return Preorder{}, web.ErrStale
	}
	if err != nil {
		return Preorder{}, err
	}
	return s.keepEdit(ctx, before, after, drop)
}

// keepEdit makes what the catalog has taken the pre-order's.
func (s *Service) keepEdit(ctx context.Context, before Preorder, after PreorderSettings, drop catalog.Drop) (Preorder, error) {
	p := Preorder{Drop: drop, Now: s.clock()}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		locked, err := s.sql.LockPreorder(ctx, tx, before.ID)
		if err != nil {
			return fmt.Errorf("lock a pre-order: %w", err)
		}
		if locked.State != before.Preorder.State || locked.Version != before.Version && locked.Version != drop.Revision {
			return web.ErrStale
		}
		p.Preorder, err = s.sql.EditPreorder(ctx, tx, db.EditPreorderParams{
			ID: before.ID, Version: drop.Revision, Title: after.Title, PerCustomer: after.PerCustomer, ReleasesAt: after.ReleasesAt,
			AttendAt: new(drop.EndsAt.Add(closeAfter)), At: p.Now,
		})
		if err != nil {
			return fmt.Errorf("edit a pre-order: %w", err)
		}
		return s.audit.Add(ctx, tx, audit.Entry{Action: "ordering.edit_preorder", Subject: before.ID.String(), Before: before.settings(), After: p.settings()})
	})
	return p, err
}

// CancelPreorder calls a pre-order off: nobody can order of it any more, and a job cancels every order of it that is not shipped, which
// gives the money back. Again: the same answer.
func (s *Service) CancelPreorder(ctx context.Context, id uuid.UUID, reason string) (Preorder, error) {
	if _, err := s.Preorder(ctx, id); err != nil {
		return Preorder{}, err
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := s.sql.LockPreorder(ctx, tx, id); err != nil {
			return fmt.Errorf("lock a pre-order: %w", err)
		}
		_, err := s.sql.CancelPreorder(ctx, tx, db.CancelPreorderParams{ID: id, Reason: reason, At: s.clock()})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // it was canceled before
		}
		if err != nil {
			return fmt.Errorf("cancel a pre-order: %w", err)
		}
		callOffCommit.Hit()
		return s.audit.Add(ctx, tx, audit.Entry{Action: "ordering.cancel_preorder", Subject: id.String(), After: map[string]any{"reason": reason}})
	})
	if err != nil {
		return Preorder{}, err
	}
	callOffCommitted.Hit()
	closing, cancel := s.call(ctx)
	defer cancel()
	if _, err := s.drops.CloseDrop(closing, catalog.CloseDropInput{DropID: id}); err != nil {
		s.log.WarnContext(ctx, "a canceled drop could not be closed just now; the job does it", "drop", id, "error", err)
	}
	return s.Preorder(ctx, id)
}

// Preorder returns a pre-order, or ordering.ErrNoPreorder.
func (s *Service) Preorder(ctx context.Context, id uuid.UUID) (Preorder, error) {
	row, err := s.preorder(ctx, id)
	if err != nil {
		return Preorder{}, err
	}
	found, err := s.withDrops(ctx, []db.Preorder{row})
	if err == nil && len(found) == 0 {
		err = ordering.ErrNoPreorder
	}
	if err != nil {
		return Preorder{}, err
	}
	return found[0], nil
}

// preorder reads what ordering knows of one.
func (s *Service) preorder(ctx context.Context, id uuid.UUID) (db.Preorder, error) {
	p, err := s.sql.Preorder(ctx, s.pool, id)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && p.State != "ready" && p.State != "canceled" {
		return db.Preorder{}, ordering.ErrNoPreorder
	}
	if err != nil {
		return db.Preorder{}, fmt.Errorf("read a pre-order: %w", err)
	}
	return p, nil
}

// Preorders returns a page of pre-orders, newest first.
func (s *Service) Preorders(ctx context.Context, q web.PageQuery) (web.Page[Preorder], error) {
	before := uuid.Max
	if err := web.DecodeCursor(q.Cursor, &before); err != nil {
		return web.Page[Preorder]{}, err
	}
	rows, err := s.sql.ListPreorders(ctx, s.pool, db.ListPreordersParams{Before: before, AtMost: int32(q.Limit) + 1})
	if err != nil {
		return web.Page[Preorder]{}, fmt.Errorf("list pre-orders: %w", err)
	}
	found, err := s.withDrops(ctx, rows)
	if err != nil {
		return web.Page[Preorder]{}, err
	}
	return web.PageOf(found, q.Limit, func(p Preorder) any { return p.ID }), nil
}

// withDrops adds how the catalog says that they stand.
func (s *Service) withDrops(ctx context.Context, rows []db.Preorder) ([]Preorder, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	asking, cancel := s.call(ctx)
	defer cancel()
	answer, err := s.drops.Drops(asking, catalog.DropsInput{DropIDs: ids})
	if err != nil {
		return nil, fmt.Errorf("read how drops stand: %w", err)
	}
	drops := map[uuid.UUID]catalog.Drop{}
	for _, d := range answer.Items {
		drops[d.DropID] = d
	}
	now := s.clock()
	var found []Preorder
	for _, r := range rows {
		if d, ok := drops[r.ID]; ok {
			found = append(found, Preorder{Preorder: r, Drop: d, Now: now})
		}
	}
	return found, nil
}

// FinishPreorders gives up drafts that somebody left, closes drops that have ended, so that what they have left is for sale again, and calls
// off the orders of canceled pre-orders.
func (s *Service) FinishPreorders(ctx context.Context) error {
	rows, err := s.sql.PreordersToAttend(ctx, s.pool, db.PreordersToAttendParams{Now: new(s.clock()), AtMost: jobBatch})
	if err != nil {
		return fmt.Errorf("find pre-orders to attend to: %w", err)
	}
	var failed []error
	for _, p := range rows {
		next, err := s.attendPreorder(ctx, p)
		if err != nil {
			failed = append(failed, fmt.Errorf("pre-order %s: %w", p.ID, err))
			next = new(s.clock().Add(putOff))
		}
		if err := s.sql.AttendPreorder(ctx, s.pool, db.AttendPreorderParams{ID: p.ID, State: p.State, AttendAt: next}); err != nil {
			failed = append(failed, fmt.Errorf("put off a pre-order: %w", err))
		}
	}
	return errors.Join(failed...)
}

// attendPreorder does what there is to do for one, and says when somebody has to look again; nil: never.
func (s *Service) attendPreorder(ctx context.Context, p db.Preorder) (next *time.Time, err error) {
	now := s.clock()
	switch p.State {
	case "draft":
		if _, err := s.sql.AbandonPreorder(ctx, s.pool, p.ID); err != nil {
			return nil, fmt.Errorf("give it up: %w", err)
		}
		return &now, nil // of this state no more
	case "abandoned": // whoever made it may still be on the way to the catalog
		if err := s.closeDrop(ctx, p.ID); err != nil {
			return nil, err
		}
		if now.Sub(p.CreatedAt) > closeAfter {
			return nil, s.sql.DeletePreorder(ctx, s.pool, p.ID)
		}
		return new(p.CreatedAt.Add(closeAfter + time.Second)), nil
	case "canceled":
		return s.windUp(ctx, p)
	default:
		found, err := s.withDrops(ctx, []db.Preorder{p})
		if err != nil || len(found) == 0 {
			return nil, err
		}
		if close := found[0].Drop.EndsAt.Add(closeAfter); now.Before(close) { // its end was moved
			return &close, nil
		}
		return nil, s.closeDrop(ctx, p.ID)
	}
}

func (s *Service) closeDrop(ctx context.Context, id uuid.UUID) error {
	ctx, cancel := s.call(ctx)
	defer cancel()
	if _, err := s.drops.CloseDrop(ctx, catalog.CloseDropInput{DropID: id}); err != nil && !errors.Is(err, catalog.ErrNoDrop) {
		return fmt.Errorf("close the drop: %w", err)
	}
	return nil
}

// windUp cancels every order of a canceled pre-order, as its shopper would. Each is asked for once: what the gateway refuses to give back
// is told in the order's timeline, and a person decides. Whoever dies on the way has done a part, and the next run does the rest.
func (s *Service) windUp(ctx context.Context, p db.Preorder) (next *time.Time, err error) {
	if err := s.closeDrop(ctx, p.ID); err != nil {
		return nil, err
	}
	left, row := false, 0 // row: failures since something went well
	var failed []error
	after := uuid.Nil
	for round := 0; ; round++ {
		if round == jobRounds {
			return new(s.clock()), errors.Join(failed...) // others' turn
		}
		orders, err := s.sql.OrdersToCallOff(ctx, s.pool, db.OrdersToCallOffParams{DropID: p.ID, After: after, AtMost: jobBatch})
		if err != nil {
			return nil, fmt.Errorf("find its orders: %w", err)
		}
		outcomes := make([]error, len(orders))
		var group errgroup.Group
		group.SetLimit(jobWorkers)
		for i, o := range orders {
			after = o.ID
			group.Go(func() error {
				outcomes[i] = s.callOff(ctx, p, o.ID)
				return nil
			})
		}
		_ = group.Wait() // outcomes are kept
		for i, err := range outcomes {
			switch {
			case err == nil, errors.Is(err, ordering.ErrRefundRefused), errors.Is(err, ordering.ErrAlreadyShipping):
				row = 0
			case errors.Is(err, ordering.ErrPaymentInProgress), errors.Is(err, ordering.ErrIllegalTransition):
				left, row = true, 0 // being paid, or being placed: its end is near, and a later run meets it
			default:
				row++
				failed = append(failed, fmt.Errorf("order %s: %w", orders[i].ID, err))
			}
		}
		if len(orders) < jobBatch || row >= jobFailed {
			break
		}
	}
	if left || failed != nil {
		return new(s.clock().Add(putOff)), errors.Join(failed...)
	}
	return nil, s.sql.WindUpPreorder(ctx, s.pool, db.WindUpPreorderParams{ID: p.ID, At: s.clock()})
}

func (s *Service) callOff(ctx context.Context, p db.Preorder, order uuid.UUID) error {
	_, err := s.Cancel(ctx, CancelInput{
		By: p.ID, OrderID: order, Key: idempotency.Of(order.String(), "/preorders/cancel", p.ID), Reason: text(p.CancelReason), system: true,
	})
	callOffCalled.Hit()
	return err
}
