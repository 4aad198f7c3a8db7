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

// CategoryFields are what an admin writes of a category.
type CategoryFields struct {
	ParentID *uuid.UUID `json:"parent_id"`
	Slug     string     `json:"slug"`
	Name     string     `json:"name"`
	NameEn   string     `json:"name_en"`
	Position int32      `json:"position"`
}

// ManagedCategory is a category as admins see it.
type ManagedCategory struct {
	ID uuid.UUID
	CategoryFields
	Version   int64
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ETag names what an admin has edited.
func (c ManagedCategory) ETag() string { return web.ETag(c.ID, c.Revision) }

func managedCategory(r db.CatalogCategory) ManagedCategory {
	return ManagedCategory{
		ID:             r.ID,
		CategoryFields: CategoryFields{ParentID: r.ParentID, Slug: r.Slug, Name: r.Name, NameEn: r.NameEn, Position: r.Position},
		Version:        r.Version, Revision: r.Revision, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

// ManagedCategories lists every category, in the order in which siblings stand.
func (s *Service) ManagedCategories(ctx context.Context) ([]ManagedCategory, error) {
	rows, err := s.sql.Categories(ctx, s.pool)
	if err != nil {
		return nil, fmt.Errorf("list categories: %w", err)
	}
	categories := make([]ManagedCategory, len(rows))
	for i, r := range rows {
		categories[i] = managedCategory(r)
	}
	return categories, nil
}

// ManagedCategory returns a category as admins see it.
func (s *Service) ManagedCategory(ctx context.Context, id uuid.UUID) (ManagedCategory, error) {
	return s.categoryOf(ctx, s.pool, id)
}

func (s *Service) categoryOf(ctx context.Context, conn db.DBTX, id uuid.UUID) (ManagedCategory, error) {
	row, err := s.sql.CategoryOf(ctx, conn, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return ManagedCategory{}, catalog.ErrNoCategory
	}
	if err != nil {
		return ManagedCategory{}, fmt.Errorf("read category: %w", err)
	}
	return managedCategory(row), nil
}

// CreateCategory makes a category.
func (s *Service) CreateCategory(ctx context.Context, f CategoryFields) (ManagedCategory, error) {
	var made ManagedCategory
	id := uuid.Must(uuid.NewV7())
	err := s.changeTree(ctx, f.ParentID, func(tx pgx.Tx) (audit.Entry, catalog.CategoryChanged, error) {
		row, err := s.sql.InsertCategory(ctx, tx, db.InsertCategoryParams{
			ID: id, ParentID: f.ParentID, Slug: f.Slug, Name: f.Name, NameEn: f.NameEn, Position: f.Position, At: s.clock(),
		})
		made = managedCategory(row)
		return audit.Entry{Action: "categories.create", Subject: id.String(), After: f},
			catalog.CategoryChanged{CategoryID: id, Version: row.Version, At: row.UpdatedAt}, err
	})
	return made, err
}

// EditCategory changes or moves a category that was read with the ETag ifMatch. It cannot be put below itself, whatever
// else is moved at the same moment: one writer changes the tree at a time.
func (s *Service) EditCategory(ctx context.Context, id uuid.UUID, ifMatch string, edit func(*CategoryFields)) (ManagedCategory, error) {
	var made ManagedCategory
	err := s.changeTree(ctx, nil, func(tx pgx.Tx) (audit.Entry, catalog.CategoryChanged, error) {
		var event catalog.CategoryChanged
		before, err := s.categoryOf(ctx, tx, id)
		if err != nil {
			return audit.Entry{}, event, err
		}
		made = before
		if err := web.CheckIfMatch(ifMatch, before.ETag()); err != nil {
			return audit.Entry{}, event, err
		}
		f := before.CategoryFields
		edit(&f)
		if reflect.DeepEqual(f, before.CategoryFields) {
			return audit.Entry{}, event, errUnchanged
		}
		if err := s.checkAncestors(ctx, tx, id, f.ParentID); err != nil {
			return audit.Entry{}, event, err
		}
		row, err := s.sql.UpdateCategory(ctx, tx, db.UpdateCategoryParams{
			ID: id, ParentID: f.ParentID, Slug: f.Slug, Name: f.Name, NameEn: f.NameEn, Position: f.Position, At: s.clock(),
		})
		made = managedCategory(row)
		return audit.Entry{Action: "categories.update", Subject: id.String(), Before: before.CategoryFields, After: f},
			catalog.CategoryChanged{CategoryID: id, Version: row.Version, At: row.UpdatedAt}, err
	})
	if errors.Is(err, errUnchanged) {
		err = nil
	}
	return made, err
}

// DeleteCategory removes a category that has neither products nor categories below it.
func (s *Service) DeleteCategory(ctx context.Context, id uuid.UUID, ifMatch string) error {
	return s.changeTree(ctx, nil, func(tx pgx.Tx) (audit.Entry, catalog.CategoryChanged, error) {
		var event catalog.CategoryChanged
		before, err := s.categoryOf(ctx, tx, id)
		if err != nil {
			return audit.Entry{}, event, err
		}
		if err := web.CheckIfMatch(ifMatch, before.ETag()); err != nil {
			return audit.Entry{}, event, err
		}
		err = s.sql.DeleteCategory(ctx, tx, id)
		if pg.Code(err) == foreignKeyViolation {
			err = catalog.ErrCategoryInUse
		}
		return audit.Entry{Action: "categories.delete", Subject: id.String(), Before: before.CategoryFields},
			catalog.CategoryChanged{CategoryID: id, Version: before.Version + 1, At: s.clock()}, err
	})
}

// changeTree changes the tree under its lock, with the event and the entry of the audit log.
func (s *Service) changeTree(ctx context.Context, parent *uuid.UUID, change func(pgx.Tx) (audit.Entry, catalog.CategoryChanged, error)) error {
	err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.sql.LockCategories(ctx, tx); err != nil {
			return fmt.Errorf("lock categories: %w", err)
		}
		if parent != nil {
			if err := s.checkAncestors(ctx, tx, uuid.Nil, parent); err != nil {
				return err
			}
		}
		entry, event, err := change(tx)
		if err != nil {
			return err
		}
		if err := s.outbox.Add(ctx, tx, event); err != nil {
			return err
		}
		return s.audit.Add(ctx, tx, entry)
	})
	if pg.Code(err) == uniqueViolation {
		return catalog.ErrSlugTaken
	}
	if err == nil {
		s.forgetTree(ctx)
	}
	return err
}

// checkAncestors walks from a category's new parent up to the root: the category must not stand there.
func (s *Service) checkAncestors(ctx context.Context, tx pgx.Tx, id uuid.UUID, parent *uuid.UUID) error {
	if parent == nil {
		return nil
	}
	rows, err := s.sql.Categories(ctx, tx)
	if err != nil {
		return fmt.Errorf("read categories: %w", err)
	}
	parents := make(map[uuid.UUID]*uuid.UUID, len(rows))
	for _, r := range rows {
		parents[r.ID] = r.ParentID
	}
	if _, ok := parents[*parent]; !ok {
		return web.ErrInvalid.WithFields(fault.Field{Pointer: "/parent_id", Detail: "there is no such category"})
	}
	for at := parent; at != nil; at = parents[*at] {
		if *at == id {
			return catalog.ErrCategoryCycle
		}
	}
	return nil
}
