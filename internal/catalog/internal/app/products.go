package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/web"
)

// Who sees a product: admins, everybody, and admins again.
const (
	StateDraft     = "draft"
	StatePublished = "published"
	StateHidden    = "hidden"
)

// Fields are what an admin writes of a product.
type Fields struct {
	CategoryID       uuid.UUID  `json:"category_id"`
	Name             string     `json:"name"`
	NameEn           string     `json:"name_en"`
	Brand            string     `json:"brand"`
	Color            string     `json:"color"`
	Size             string     `json:"size"`
	ListPriceWon     int64      `json:"list_price_won"`
	PriceWon         int64      `json:"price_won"`
	Description      string     `json:"description"`
	Tags             []string   `json:"tags"`
	LimitPerCustomer int32      `json:"limit_per_customer"`
	PublishAt        *time.Time `json:"publish_at,omitempty"` // of a draft: when it is shown by itself
}

// ManagedProduct is a product as admins see it.
type ManagedProduct struct {
	ID uuid.UUID
	Fields
	ImageURL    string
	State       string
	SaleStopped bool
	SalesCount  int64
	OnHand      int64
	Reserved    int64
	LowAt       int64
	DocVersion  int64
	Version     int64
	Revision    int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
	PublishedAt *time.Time
}

// ETag names what an admin has edited. Sales move without it, or nobody could edit what sells.
func (p ManagedProduct) ETag() string { return web.ETag(p.ID, p.Revision) }

func managed(r db.ProductOfRow) ManagedProduct {
	return ManagedProduct{
		ID: r.ID,
		Fields: Fields{
			CategoryID: r.CategoryID, Name: r.Name, NameEn: r.NameEn, Brand: r.Brand, Color: r.Color, Size: r.Size,
			ListPriceWon: r.ListPriceWon, PriceWon: r.PriceWon, Description: r.Description, Tags: r.Tags, LimitPerCustomer: r.LimitPerCustomer, PublishAt: r.PublishAt,
		},
		ImageURL: deref(r.ImageUrl), State: r.State, SaleStopped: r.SaleStopped, SalesCount: r.SalesCount,
		OnHand: r.OnHand, Reserved: r.Reserved, LowAt: r.LowAt, DocVersion: r.DocVersion, Version: r.Version, Revision: r.Revision,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, PublishedAt: r.PublishedAt,
	}
}

// valid checks what the schema of one field cannot.
func (f *Fields) valid() error {
	if f.ListPriceWon < f.PriceWon {
		return web.ErrInvalid.WithFields(fault.Field{Pointer: "/list_price_won", Detail: "must not be below price_won"})
	}
	if f.Tags == nil {
		f.Tags = []string{}
	}
	if f.PublishAt != nil {
		at := kept(*f.PublishAt)
		f.PublishAt = &at
	}
	return nil
}

var errNoDraft = web.ErrInvalid.WithFields(fault.Field{Pointer: "/publish_at", Detail: "only a draft is published by the clock"})

// CreateProduct makes a draft: nobody but admins sees it until it is published.
func (s *Service) CreateProduct(ctx context.Context, f Fields) (ManagedProduct, error) {
	if err := f.valid(); err != nil {
		return ManagedProduct{}, err
	}
	id, at := uuid.Must(uuid.NewV7()), s.clock()
	return s.changeProduct(ctx, "products.create", id, func(tx pgx.Tx) error {
		return s.sql.InsertProduct(ctx, tx, db.InsertProductParams{
			ID: id, CategoryID: f.CategoryID, Name: f.Name, NameEn: f.NameEn, Brand: f.Brand, Color: f.Color, Size: f.Size,
			ListPriceWon: f.ListPriceWon, PriceWon: f.PriceWon, Description: f.Description, Tags: f.Tags,
			LimitPerCustomer: f.LimitPerCustomer, PublishAt: f.PublishAt, At: at,
		})
	}, nil)
}

// EditProduct changes the fields of a product that was read with the ETag ifMatch.
func (s *Service) EditProduct(ctx context.Context, id uuid.UUID, ifMatch string, edit func(*Fields)) (ManagedProduct, error) {
	return s.revise(ctx, "products.update", id, func(p ManagedProduct) error { return web.CheckIfMatch(ifMatch, p.ETag()) },
		func(tx pgx.Tx, p ManagedProduct) (bool, error) {
			f := p.Fields
			edit(&f)
			if err := f.valid(); err != nil || reflect.DeepEqual(f, p.Fields) {
				return false, err
			}
			if f.PublishAt != nil && p.State != StateDraft {
				return false, errNoDraft
			}
			return true, s.sql.UpdateProduct(ctx, tx, db.UpdateProductParams{
				ID: id, CategoryID: f.CategoryID, Name: f.Name, NameEn: f.NameEn, Brand: f.Brand, Color: f.Color, Size: f.Size,
				ListPriceWon: f.ListPriceWon, PriceWon: f.PriceWon, Description: f.Description, Tags: f.Tags,
				LimitPerCustomer: f.LimitPerCustomer, PublishAt: f.PublishAt, At: s.clock(),
			})
		})
}

// The actions on a product's state. Each is a no-op where it holds already.
const (
	actPublish    = "publish"
	actHide       = "hide"
	actStopSale   = "stop_sale"
	actResumeSale = "resume_sale"
	actDelete     = "delete" // hides: orders, ledgers and links go on naming the product
)

// ActOnProduct changes a product's state. An empty ifMatch acts on whatever is there: stopping a sale must not fail because
// somebody has just corrected a typing error.
func (s *Service) ActOnProduct(ctx context.Context, id uuid.UUID, action, ifMatch string) (ManagedProduct, error) {
	current := func(p ManagedProduct) error {
		if ifMatch == "" && action != actDelete {
			return nil
		}
		return web.CheckIfMatch(ifMatch, p.ETag())
	}
	return s.revise(ctx, "products."+action, id, current, func(tx pgx.Tx, p ManagedProduct) (bool, error) {
		state, stopped := p.State, p.SaleStopped
		switch action {
		case actPublish:
			state = StatePublished
		case actHide, actDelete:
			state = StateHidden
		case actStopSale:
			stopped = true
		case actResumeSale:
			stopped = false
		}
		if state == p.State && stopped == p.SaleStopped {
			return false, nil
		}
		if err := s.sql.SetProductState(ctx, tx, db.SetProductStateParams{ID: id, State: state, SaleStopped: stopped, At: s.clock()}); err != nil {
			return false, fmt.Errorf("set state: %w", err)
		}
		return true, s.sql.LookForRestocks(ctx, tx, []uuid.UUID{id})
	})
}

// ManagedProduct returns a product as admins see it.
func (s *Service) ManagedProduct(ctx context.Context, id uuid.UUID) (ManagedProduct, error) {
	return s.managedProduct(ctx, s.pool, id)
}

func (s *Service) managedProduct(ctx context.Context, conn db.DBTX, id uuid.UUID) (ManagedProduct, error) {
	row, err := s.sql.ProductOf(ctx, conn, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return ManagedProduct{}, catalog.ErrNoProduct
	}
	if err != nil {
		return ManagedProduct{}, fmt.Errorf("read product: %w", err)
	}
	return managed(row), nil
}

// revise changes a product under its lock. change says whether it changed anything: what did not is neither an event nor
// an entry of the log.
func (s *Service) revise(ctx context.Context, action string, id uuid.UUID, current func(ManagedProduct) error, change func(pgx.Tx, ManagedProduct) (bool, error)) (ManagedProduct, error) {
	var before ManagedProduct
	p, err := s.changeProduct(ctx, action, id, func(tx pgx.Tx) error {
		if _, err := s.sql.LockProduct(ctx, tx, id); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return catalog.ErrNoProduct
			}
			return fmt.Errorf("lock product: %w", err)
		}
		var err error
		if before, err = s.managedProduct(ctx, tx, id); err != nil {
			return err
		}
		if err := current(before); err != nil {
			return err
		}
		did, err := change(tx, before)
		if err == nil && !did {
			return errUnchanged
		}
		return err
	}, func() any { return auditedProduct(before) })
	if errors.Is(err, errUnchanged) {
		return before, nil
	}
	return p, err
}

var errUnchanged = errors.New("nothing changes")

// changeProduct writes, and with it the event and the entry of the audit log.
func (s *Service) changeProduct(ctx context.Context, action string, id uuid.UUID, write func(pgx.Tx) error, before func() any) (ManagedProduct, error) {
	var after ManagedProduct
	err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := write(tx); err != nil {
			return err
		}
		var err error
		if after, err = s.managedProduct(ctx, tx, id); err != nil {
			return err
		}
		if err := s.outbox.Add(ctx, tx, changed(id, after.Version, after.DocVersion, after.UpdatedAt)); err != nil {
			return err
		}
		entry := audit.Entry{Action: action, Subject: id.String(), After: auditedProduct(after)}
		if before != nil {
			entry.Before = before()
		}
		return s.audit.Add(ctx, tx, entry)
	})
	if pg.Code(err) == foreignKeyViolation {
		return ManagedProduct{}, web.ErrInvalid.WithFields(fault.Field{Pointer: "/category_id", Detail: "there is no such category"})
	}
	if err != nil {
		return ManagedProduct{}, err
	}
	s.details.Invalidate(id, after.DocVersion) // other processes see it within a second
	return after, nil
}

const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
)

// audited is what the audit log keeps of a product.
type audited struct {
	Fields
	State       string `json:"state"`
	SaleStopped bool   `json:"sale_stopped"`
}

func auditedProduct(p ManagedProduct) audited { return audited{p.Fields, p.State, p.SaleStopped} }

// ManagedProducts lists products of every state, the newest first.
func (s *Service) ManagedProducts(ctx context.Context, state, text string, page web.PageQuery) (web.Page[ManagedProduct], error) {
	from := position{ID: uuid.Max}
	if err := web.DecodeCursor(page.Cursor, &from); err != nil {
		return web.Page[ManagedProduct]{}, err
	}
	rows, err := s.sql.ProductsPage(ctx, s.pool, db.ProductsPageParams{Before: from.ID, State: state, Text: text, RowLimit: int32(page.Limit) + 1})
	if err != nil {
		return web.Page[ManagedProduct]{}, fmt.Errorf("list products: %w", err)
	}
	products := make([]ManagedProduct, len(rows))
	for i, r := range rows {
		products[i] = managed(db.ProductOfRow(r))
	}
	return web.PageOf(products, page.Limit, func(p ManagedProduct) any { return position{p.ID} }), nil
}

// position is a cursor in a list that is sorted by id, from the largest down.
type position struct {
	ID uuid.UUID `json:"id"`
}
