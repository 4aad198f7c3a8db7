package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/outbox"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/web"
)

// Line is a product as it is imported and exported. It says the whole product, except that State, SaleStopped and PublishAt stay as they
// are where they are left out.
type Line struct {
	ID uuid.UUID `json:"id" doc:"The product's id. Of a new one you make it up; a UUIDv7 sorts by time." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	NewProduct
	State       string `json:"state,omitempty" enum:"draft,published,hidden" doc:"Who sees it; of a new one left out: draft." example:"published"`
	SaleStopped *bool  `json:"sale_stopped,omitempty" doc:"true: it is shown, but nobody can order it."`
}

// The outcomes of a line.
const (
	lineCreated   = "created"
	lineUpdated   = "updated"
	lineUnchanged = "unchanged"
	lineError     = "error"
)

// outcome is what became of a line: one of the above, with the fault that it was refused for.
type outcome struct {
	what  string
	fault *fault.Error
}

func refused(f *fault.Error) outcome { return outcome{lineError, f} }

func (o *outcome) refuse(pointer, detail string) {
	*o = refused(web.ErrInvalid.WithFields(fault.Field{Pointer: pointer, Detail: detail}))
}

// importRounds is how often lines are tried that somebody else makes or changes at the same moment.
const importRounds = 3

var errImportAgain = errors.New("a product was made at the same moment")

// importLines makes products what the lines say, each of another product, and tells what became of each. A line that is refused is no matter
// to the others. An error means that nothing was changed, or that nobody knows: the same lines again change nothing twice.
func (s *Service) importLines(ctx context.Context, lines []Line) ([]outcome, error) {
	outcomes, err := s.importTogether(ctx, lines)
	if code := pg.Code(err); !strings.HasPrefix(code, "22") && !strings.HasPrefix(code, "23") {
		return outcomes, err
	}
	if len(lines) == 1 {
		outcomes = []outcome{refused(web.ErrInvalid)}
		switch pg.Code(err) {
		case foreignKeyViolation:
			outcomes[0].refuse("/category_id", "there is no such category")
		case uniqueViolation:
			outcomes[0].refuse("/id", "it is the id of something else")
		}
		return outcomes, nil
	}
	outcomes = make([]outcome, 0, len(lines)) // what the database refuses is found by trying each
	for i := range lines {
		one, err := s.importLines(ctx, lines[i:i+1])
		if err != nil {
			return nil, err
		}
		outcomes = append(outcomes, one...)
	}
	return outcomes, nil
}

func (s *Service) importTogether(ctx context.Context, lines []Line) (outcomes []outcome, err error) {
	for range importRounds {
		var put []db.PutProductsRow
		err = s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
			outcomes, put, err = s.importInTx(ctx, tx, lines)
			return err
		})
		if errors.Is(err, errImportAgain) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, p := range put {
			s.details.Invalidate(p.ID, p.DocVersion)
		}
		return outcomes, nil
	}
	return nil, err
}

func (s *Service) importInTx(ctx context.Context, tx pgx.Tx, lines []Line) (outcomes []outcome, done []db.PutProductsRow, err error) {
	ids, categories := make([]uuid.UUID, len(lines)), make([]uuid.UUID, len(lines))
	for i, l := range lines {
		ids[i], categories[i] = l.ID, l.CategoryID
	}
	rows, err := s.sql.LockProducts(ctx, tx, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("lock products: %w", err)
	}
	known, err := s.sql.KnownCategories(ctx, tx, categories)
	if err != nil {
		return nil, nil, fmt.Errorf("look up categories: %w", err)
	}
	before := make(map[uuid.UUID]audited, len(rows))
	for _, r := range rows {
		before[r.ID] = auditedRow(r)
	}
	outcomes = make([]outcome, len(lines))
	after := make(map[uuid.UUID]audited, len(lines))
	put := db.PutProductsParams{At: s.clock()}
	for i, l := range lines {
		was, exists := before[l.ID]
		is, o := l.applied(was, exists)
		if o.fault == nil && !slices.Contains(known, l.CategoryID) {
			o.refuse("/category_id", "there is no such category")
		}
		if outcomes[i] = o; o.what == lineCreated || o.what == lineUpdated {
			after[l.ID] = is
			if err := add(&put, l.ID, is); err != nil {
				return nil, nil, err
			}
		}
	}
	if len(put.Ids) == 0 {
		return outcomes, nil, nil
	}
	done, err = s.sql.PutProducts(ctx, tx, put)
	if err != nil {
		return nil, nil, fmt.Errorf("put products: %w", err)
	}
	events, entries := make([]outbox.Event, len(done)), make([]audit.Entry, len(done))
	for i, p := range done {
		was, exists := before[p.ID]
		if exists == (p.Revision == 1) {
			return nil, nil, errImportAgain
		}
		events[i] = changed(p.ID, p.Version, p.DocVersion, put.At)
		entries[i] = audit.Entry{Action: "products.create", Subject: p.ID.String(), After: after[p.ID]}
		if exists {
			entries[i].Action, entries[i].Before = "products.update", was
		}
	}
	if err := s.outbox.Add(ctx, tx, events...); err != nil {
		return nil, nil, err
	}
	if err := s.sql.LookForRestocks(ctx, tx, put.Ids); err != nil {
		return nil, nil, fmt.Errorf("look for restocks: %w", err)
	}
	return outcomes, done, s.audit.Add(ctx, tx, entries...)
}

// applied is the product that the line makes of what was there.
func (l *Line) applied(was audited, exists bool) (is audited, o outcome) {
	is = audited{Fields: Fields(l.NewProduct), State: l.State, SaleStopped: was.SaleStopped}
	if l.SaleStopped != nil {
		is.SaleStopped = *l.SaleStopped
	}
	switch {
	case is.State == "" && exists:
		is.State = was.State
	case is.State == "":
		is.State = StateDraft
	}
	if is.PublishAt == nil && is.State == StateDraft {
		is.PublishAt = was.PublishAt
	}
	err := is.valid()
	if err == nil {
		err = checkTags(is.Tags)
	}
	switch {
	case l.ID == uuid.Nil:
		o.refuse("/id", "must not be zero")
	case err != nil:
		o = refused(asFault(err))
	case is.State == StateDraft && exists && was.State != StateDraft:
		o.refuse("/state", "a product that was published or hidden is no draft any more")
	case is.PublishAt != nil && is.State != StateDraft:
		o = refused(errNoDraft)
	case !exists:
		o.what = lineCreated
	case reflect.DeepEqual(is, was):
		o.what = lineUnchanged
	default:
		o.what = lineUpdated
	}
	return is, o
}

func asFault(err error) *fault.Error {
	f, ok := fault.As(err)
	if !ok {
		return web.ErrInvalid
	}
	return f
}

func auditedRow(r db.LockProductsRow) audited {
	return audited{
		Fields: Fields{
			CategoryID: r.CategoryID, Name: r.Name, NameEn: r.NameEn, Brand: r.Brand, Color: r.Color, Size: r.Size,
			ListPriceWon: r.ListPriceWon, PriceWon: r.PriceWon, Description: r.Description, Tags: r.Tags, LimitPerCustomer: r.LimitPerCustomer,
			PublishAt: r.PublishAt,
		},
		State: r.State, SaleStopped: r.SaleStopped,
	}
}

func add(put *db.PutProductsParams, id uuid.UUID, p audited) error {
	tags, err := json.Marshal(p.Tags)
	if err != nil {
		return fmt.Errorf("encode tags: %w", err)
	}
	var publishAt time.Time
	if p.PublishAt != nil {
		publishAt = *p.PublishAt
	}
	put.Ids, put.CategoryIds = append(put.Ids, id), append(put.CategoryIds, p.CategoryID)
	put.Names, put.NamesEn, put.Brands = append(put.Names, p.Name), append(put.NamesEn, p.NameEn), append(put.Brands, p.Brand)
	put.Colors, put.Sizes = append(put.Colors, p.Color), append(put.Sizes, p.Size)
	put.ListPricesWon, put.PricesWon = append(put.ListPricesWon, p.ListPriceWon), append(put.PricesWon, p.PriceWon)
	put.Descriptions, put.Tags, put.Limits = append(put.Descriptions, p.Description), append(put.Tags, string(tags)), append(put.Limits, p.LimitPerCustomer)
	put.States, put.SaleStopped, put.PublishAt = append(put.States, p.State), append(put.SaleStopped, p.SaleStopped), append(put.PublishAt, publishAt)
	return nil
}

const (
	exportPage = 500              // products
	exportIdle = 30 * time.Second // that a page may take to leave: a snapshot must not stay for ever
)

// Export hands each every product after one, in the order of their ids, as they all were at one instant. What each is handed is its own
// only until it returns.
func (s *Service) Export(ctx context.Context, after uuid.UUID, each func([]Line) error) error {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) error {
		idle := strconv.FormatInt(exportIdle.Milliseconds(), 10)
		if _, err := tx.Exec(ctx, `SELECT set_config('idle_in_transaction_session_timeout', $1, true)`, idle); err != nil {
			return fmt.Errorf("give the snapshot its time: %w", err)
		}
		lines := make([]Line, 0, exportPage)
		for {
			rows, err := s.sql.ExportPage(ctx, tx, db.ExportPageParams{After: after, RowLimit: exportPage})
			if err != nil {
				return fmt.Errorf("read products: %w", err)
			}
			lines = lines[:0]
			for _, r := range rows {
				p := auditedRow(db.LockProductsRow(r))
				lines = append(lines, Line{ID: r.ID, NewProduct: NewProduct(p.Fields), State: p.State, SaleStopped: &p.SaleStopped})
			}
			if err := each(lines); err != nil {
				return err
			}
			if len(rows) < exportPage {
				return nil
			}
			after = rows[len(rows)-1].ID
		}
	})
}
