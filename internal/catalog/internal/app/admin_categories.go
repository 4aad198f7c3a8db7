package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

func (a *Admin) categoryRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-all-categories", Method: http.MethodGet, Path: "/admin/categories", Tag: tag,
		Summary: "List every category, without the tree",
		Role:    auth.Manager,
	}, a.listCategories)
	web.Register(api, web.Operation{
		ID: "create-category", Method: http.MethodPost, Path: "/admin/categories", Tag: tag,
		Summary: "Make a category",
		Role:    auth.Manager, Status: http.StatusCreated,
		Problems: []*fault.Error{catalog.ErrSlugTaken},
	}, a.createCategory)
	web.Register(api, web.Operation{
		ID: "get-category", Method: http.MethodGet, Path: "/admin/categories/{id}", Tag: tag,
		Summary:  "Show a category",
		Role:     auth.Manager,
		Problems: []*fault.Error{catalog.ErrNoCategory},
	}, a.getCategory)
	web.Register(api, web.Operation{
		ID: "edit-category", Method: http.MethodPatch, Path: "/admin/categories/{id}", Tag: tag,
		Summary:     "Change or move a category",
		Description: "What is left out stays as it is; a parent_id of null makes it a topmost one.",
		Role:        auth.Manager,
		Problems: []*fault.Error{
			catalog.ErrNoCategory, catalog.ErrCategoryCycle, catalog.ErrSlugTaken, web.ErrStale, web.ErrIfMatchRequired,
		},
	}, a.editCategory)
	web.Register(api, web.Operation{
		ID: "delete-category", Method: http.MethodDelete, Path: "/admin/categories/{id}", Tag: tag,
		Summary:  "Remove a category that is empty",
		Role:     auth.Manager,
		Problems: []*fault.Error{catalog.ErrNoCategory, catalog.ErrCategoryInUse, web.ErrStale, web.ErrIfMatchRequired},
	}, a.deleteCategory)
}

type categoryView struct {
	ID        uuid.UUID  `json:"id" doc:"The category's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	ParentID  *uuid.UUID `json:"parent_id" doc:"The category above it; null: none."`
	Slug      string     `json:"slug" doc:"Its name in addresses." example:"running-shoes"`
	Name      string     `json:"name" doc:"Its name." example:"러닝 운동화"`
	NameEn    string     `json:"name_en" doc:"Its name in English." example:"Running Sneakers"`
	Position  int32      `json:"position" doc:"Where it stands among its siblings, the smallest first." example:"1"`
	CreatedAt time.Time  `json:"created_at" doc:"When it was made." example:"2026-01-01T00:00:00Z"`
	UpdatedAt time.Time  `json:"updated_at" doc:"When it changed last." example:"2026-01-01T00:00:00Z"`
}

func categoryViewOf(c ManagedCategory) categoryView {
	return categoryView{
		ID: c.ID, ParentID: c.ParentID, Slug: c.Slug, Name: c.Name, NameEn: c.NameEn, Position: c.Position,
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
}

type categoryOutput struct {
	ETag string `header:"ETag" doc:"Names this state of the category, for If-Match."`
	Body categoryView
}

func answerWithCategory(c ManagedCategory, err error) (*categoryOutput, error) {
	if err != nil {
		return nil, err
	}
	return &categoryOutput{ETag: c.ETag(), Body: categoryViewOf(c)}, nil
}

type allCategoriesOutput struct {
	Body struct {
		Items []categoryView `json:"items" doc:"Every category."`
	}
}

func (a *Admin) listCategories(ctx context.Context, _ *struct{}) (*allCategoriesOutput, error) {
	categories, err := a.service.ManagedCategories(ctx)
	if err != nil {
		return nil, err
	}
	out := &allCategoriesOutput{}
	for _, c := range categories {
		out.Body.Items = append(out.Body.Items, categoryViewOf(c))
	}
	return out, nil
}

type createCategoryInput struct {
	Body struct {
		ParentID *uuid.UUID `json:"parent_id,omitempty" doc:"The category above it; left out: none."`
		Slug     string     `json:"slug" minLength:"1" maxLength:"100" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" patternDescription:"small letters, digits and hyphens" doc:"Its name in addresses." example:"running-shoes"`
		Name     string     `json:"name" minLength:"1" maxLength:"100" doc:"Its name." example:"러닝 운동화"`
		NameEn   string     `json:"name_en,omitempty" maxLength:"100" doc:"Its name in English." example:"Running Sneakers"`
		Position int32      `json:"position,omitempty" minimum:"0" maximum:"1000000" doc:"Where it stands among its siblings, the smallest first." example:"1"`
	}
}

type createdCategoryOutput struct {
	Location string `header:"Location" doc:"Where it is."`
	ETag     string `header:"ETag" doc:"Names this state of the category, for If-Match."`
	Body     categoryView
}

func (a *Admin) createCategory(ctx context.Context, in *createCategoryInput) (*createdCategoryOutput, error) {
	c, err := a.service.CreateCategory(ctx, CategoryFields(in.Body))
	if err != nil {
		return nil, err
	}
	return &createdCategoryOutput{Location: "/admin/categories/" + c.ID.String(), ETag: c.ETag(), Body: categoryViewOf(c)}, nil
}

// CategoryPath names a category in a path.
type CategoryPath struct {
	ID uuid.UUID `path:"id" doc:"The category's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

func (a *Admin) getCategory(ctx context.Context, in *CategoryPath) (*categoryOutput, error) {
	return answerWithCategory(a.service.ManagedCategory(ctx, in.ID))
}

// nullable is a value that may be given, taken away with null, or left out.
type nullable[T any] struct {
	given bool
	value *T
}

// UnmarshalJSON implements [json.Unmarshaler]. It is not called for a field that is left out.
func (n *nullable[T]) UnmarshalJSON(b []byte) error {
	n.given = true
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	return json.Unmarshal(b, &n.value)
}

// Schema implements [huma.SchemaProvider].
func (nullable[T]) Schema(r huma.Registry) *huma.Schema {
	schema := *r.Schema(reflect.TypeFor[T](), true, "")
	schema.Nullable = true
	return &schema
}

type editCategoryInput struct {
	web.Precondition
	CategoryPath
	Body struct {
		ParentID nullable[uuid.UUID] `json:"parent_id,omitempty" doc:"The category above it; null: none."`
		Slug     *string             `json:"slug,omitempty" minLength:"1" maxLength:"100" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" patternDescription:"small letters, digits and hyphens" doc:"Its name in addresses." example:"running-shoes"`
		Name     *string             `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"Its name." example:"러닝화"`
		NameEn   *string             `json:"name_en,omitempty" maxLength:"100" doc:"Its name in English."`
		Position *int32              `json:"position,omitempty" minimum:"0" maximum:"1000000" doc:"Where it stands among its siblings, the smallest first."`
	}
}

func (a *Admin) editCategory(ctx context.Context, in *editCategoryInput) (*categoryOutput, error) {
	b := in.Body
	return answerWithCategory(a.service.EditCategory(ctx, in.ID, in.IfMatch, func(f *CategoryFields) {
		if b.ParentID.given {
			f.ParentID = b.ParentID.value
		}
		set(&f.Slug, b.Slug)
		set(&f.Name, b.Name)
		set(&f.NameEn, b.NameEn)
		set(&f.Position, b.Position)
	}))
}

type deleteCategoryInput struct {
	web.Precondition
	CategoryPath
}

func (a *Admin) deleteCategory(ctx context.Context, in *deleteCategoryInput) (*struct{}, error) {
	return nil, a.service.DeleteCategory(ctx, in.ID, in.IfMatch)
}
