package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// Admin is what managers do with the catalog.
type Admin struct {
	service *Service
}

// NewAdmin returns the managers' routes.
func NewAdmin(service *Service) *Admin { return &Admin{service: service} }

// Routes implements [web.Routes].
func (a *Admin) Routes(api *web.API) {
	a.productRoutes(api)
	a.bulkRoutes(api)
	a.stockRoutes(api)
	a.categoryRoutes(api)
	a.imageRoutes(api)
}

func (a *Admin) productRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-all-products", Method: http.MethodGet, Path: "/admin/products", Tag: tag,
		Summary: "List products of every state, newest first",
		Role:    auth.Manager,
	}, a.list)
	web.Register(api, web.Operation{
		ID: "create-product", Method: http.MethodPost, Path: "/admin/products", Tag: tag,
		Summary:     "Make a product",
		Description: "It is a draft, without stock: stock comes in by a movement, and shoppers see it once it is published.",
		Role:        auth.Manager, Status: http.StatusCreated,
	}, a.create)
	web.Register(api, web.Operation{
		ID: "get-managed-product", Method: http.MethodGet, Path: "/admin/products/{id}", Tag: tag,
		Summary:     "Show a product with its state and stock",
		Description: "The ETag names what was edited; sales and stock move without it.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{catalog.ErrNoProduct},
	}, a.get)
	web.Register(api, web.Operation{
		ID: "edit-product", Method: http.MethodPatch, Path: "/admin/products/{id}", Tag: tag,
		Summary:     "Change a product",
		Description: "What is left out stays as it is.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{catalog.ErrNoProduct, web.ErrStale, web.ErrIfMatchRequired},
	}, a.edit)
	web.Register(api, web.Operation{
		ID: "delete-product", Method: http.MethodDelete, Path: "/admin/products/{id}", Tag: tag,
		Summary:     "Take a product out of the shop",
		Description: "It is hidden: orders and the ledger go on naming it.",
		Role:        auth.Manager,
		Problems:    []*fault.Error{catalog.ErrNoProduct, web.ErrStale, web.ErrIfMatchRequired},
	}, a.delete)
	for _, action := range []struct{ id, path, summary, act string }{
		{"publish-product", "publish", "Show a product to shoppers", actPublish},
		{"hide-product", "hide", "Hide a product from shoppers", actHide},
		{"stop-sale-of-product", "stop-sale", "Stop a product's sale, at once; it is still shown", actStopSale},
		{"resume-sale-of-product", "resume-sale", "Go on selling a product", actResumeSale},
	} {
		web.Register(api, web.Operation{
			ID: action.id, Method: http.MethodPost, Path: "/admin/products/{id}/" + action.path, Tag: tag,
			Summary:     action.summary,
			Description: "Again: the same answer. If-Match is heeded when it is sent.",
			Role:        auth.Manager,
			Problems:    []*fault.Error{catalog.ErrNoProduct, web.ErrStale},
		}, a.act(action.act))
	}
}

// managedProductView is a product as admins see it.
type managedProductView struct {
	ID               uuid.UUID            `json:"id" doc:"The product's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	State            string               `json:"state" enum:"draft,published,hidden" doc:"Who sees it." example:"published"`
	SaleStopped      bool                 `json:"sale_stopped" doc:"true: it is shown, but nobody can order it."`
	CategoryID       uuid.UUID            `json:"category_id" doc:"Where it stands in the tree of categories." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Name             string               `json:"name" doc:"Its name." example:"나이키 에어 쿠션 러닝 운동화 블랙"`
	NameEn           string               `json:"name_en" doc:"Its name in English; may be empty."`
	Brand            string               `json:"brand" doc:"Its brand." example:"나이키"`
	Color            string               `json:"color" doc:"Its colour; may be empty." example:"블랙"`
	Size             string               `json:"size" doc:"Its size; may be empty." example:"270"`
	ListPriceWon     int64                `json:"list_price_won" doc:"What it costs without a discount." example:"129000"`
	PriceWon         int64                `json:"price_won" doc:"What it costs." example:"99000"`
	Description      string               `json:"description" doc:"What there is to say about it."`
	Tags             []string             `json:"tags" doc:"Words that it can be found by."`
	ImageURL         string               `json:"image_url,omitempty" doc:"Its main picture."`
	LimitPerCustomer int32                `json:"limit_per_customer" doc:"How many pieces one customer may buy; 0: as many as there are."`
	Availability     catalog.Availability `json:"availability" enum:"in_stock,low,sold_out" doc:"How much of it shoppers are told there is." example:"in_stock"`
	OnHand           int64                `json:"on_hand" doc:"Pieces in the house." example:"120"`
	Reserved         int64                `json:"reserved" doc:"Of these, what orders hold that are not paid yet." example:"3"`
	SalesCount       int64                `json:"sales_count" doc:"How many pieces were sold." example:"1204"`
	DocVersion       int64                `json:"doc_version" doc:"One more with each change that shoppers can see." example:"1"`
	CreatedAt        time.Time            `json:"created_at" doc:"When it was made." example:"2026-01-01T00:00:00Z"`
	UpdatedAt        time.Time            `json:"updated_at" doc:"When it changed last." example:"2026-01-01T00:00:00Z"`
	PublishedAt      *time.Time           `json:"published_at" doc:"When it was published first; null: never."`
	PublishAt        *time.Time           `json:"publish_at,omitempty" doc:"When a draft is shown to shoppers by itself; absent: when somebody publishes it."`
}

func viewOf(p ManagedProduct) managedProductView {
	return managedProductView{
		ID: p.ID, State: p.State, SaleStopped: p.SaleStopped, CategoryID: p.CategoryID, Name: p.Name, NameEn: p.NameEn, Brand: p.Brand,
		Color: p.Color, Size: p.Size, ListPriceWon: p.ListPriceWon, PriceWon: p.PriceWon, Description: p.Description, Tags: p.Tags,
		ImageURL: p.ImageURL, LimitPerCustomer: p.LimitPerCustomer, Availability: availabilityOf(p.OnHand-p.Reserved, p.LowAt),
		OnHand: p.OnHand, Reserved: p.Reserved, SalesCount: p.SalesCount, DocVersion: p.DocVersion,
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, PublishedAt: p.PublishedAt, PublishAt: p.PublishAt,
	}
}

type managedProductOutput struct {
	ETag string `header:"ETag" doc:"Names this state of the product, for If-Match."`
	Body managedProductView
}

func answerWith(p ManagedProduct, err error) (*managedProductOutput, error) {
	if err != nil {
		return nil, err
	}
	return &managedProductOutput{ETag: p.ETag(), Body: viewOf(p)}, nil
}

type listAllInput struct {
	web.PageQuery
	State string `query:"state" enum:"draft,published,hidden" doc:"Only products of this state."`
	Text  string `query:"q" maxLength:"100" doc:"Only products whose name or brand has this text in it."`
}

type listAllOutput struct {
	Body web.Page[managedProductView]
}

func (a *Admin) list(ctx context.Context, in *listAllInput) (*listAllOutput, error) {
	page, err := a.service.ManagedProducts(ctx, in.State, in.Text, in.PageQuery)
	if err != nil {
		return nil, err
	}
	out := &listAllOutput{Body: web.Page[managedProductView]{Items: make([]managedProductView, len(page.Items)), NextCursor: page.NextCursor}}
	for i, p := range page.Items {
		out.Body.Items[i] = viewOf(p)
	}
	return out, nil
}

// NewProduct is what a manager says of a product that is made.
type NewProduct struct {
	CategoryID       uuid.UUID  `json:"category_id" doc:"Where it stands in the tree of categories." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	Name             string     `json:"name" minLength:"1" maxLength:"200" doc:"Its name." example:"나이키 에어 쿠션 러닝 운동화 블랙"`
	NameEn           string     `json:"name_en,omitempty" maxLength:"200" doc:"Its name in English." example:"Nike Air Cushioned Running Sneakers Black"`
	Brand            string     `json:"brand" minLength:"1" maxLength:"100" doc:"Its brand." example:"나이키"`
	Color            string     `json:"color,omitempty" maxLength:"50" doc:"Its colour." example:"블랙"`
	Size             string     `json:"size,omitempty" maxLength:"50" doc:"Its size." example:"270"`
	ListPriceWon     int64      `json:"list_price_won" minimum:"1" maximum:"1000000000" doc:"What it costs without a discount; not less than price_won." example:"129000"`
	PriceWon         int64      `json:"price_won" minimum:"1" maximum:"1000000000" doc:"What it costs." example:"99000"`
	Description      string     `json:"description,omitempty" maxLength:"10000" doc:"What there is to say about it."`
	Tags             []string   `json:"tags,omitempty" maxItems:"20" doc:"Words that it can be found by."`
	LimitPerCustomer int32      `json:"limit_per_customer,omitempty" minimum:"0" maximum:"1000000" doc:"How many pieces one customer may buy; 0: as many as there are." example:"2"`
	PublishAt        *time.Time `json:"publish_at,omitempty" doc:"When it is shown to shoppers by itself; left out: when somebody publishes it." example:"2026-01-02T03:00:00Z"`
}

type createProductInput struct {
	Body NewProduct
}

type createdProductOutput struct {
	Location string `header:"Location" doc:"Where it is."`
	ETag     string `header:"ETag" doc:"Names this state of the product, for If-Match."`
	Body     managedProductView
}

func (a *Admin) create(ctx context.Context, in *createProductInput) (*createdProductOutput, error) {
	if err := checkTags(in.Body.Tags); err != nil {
		return nil, err
	}
	p, err := a.service.CreateProduct(ctx, Fields(in.Body))
	if err != nil {
		return nil, err
	}
	return &createdProductOutput{Location: "/admin/products/" + p.ID.String(), ETag: p.ETag(), Body: viewOf(p)}, nil
}

// ProductPath names a product in a path.
type ProductPath struct {
	ID uuid.UUID `path:"id" doc:"The product's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
}

func (a *Admin) get(ctx context.Context, in *ProductPath) (*managedProductOutput, error) {
	return answerWith(a.service.ManagedProduct(ctx, in.ID))
}

type editProductInput struct {
	web.Precondition
	ProductPath
	Body struct {
		CategoryID       *uuid.UUID          `json:"category_id,omitempty" doc:"Where it stands in the tree of categories."`
		Name             *string             `json:"name,omitempty" minLength:"1" maxLength:"200" doc:"Its name." example:"나이키 에어 쿠션 러닝 운동화 화이트"`
		NameEn           *string             `json:"name_en,omitempty" maxLength:"200" doc:"Its name in English."`
		Brand            *string             `json:"brand,omitempty" minLength:"1" maxLength:"100" doc:"Its brand."`
		Color            *string             `json:"color,omitempty" maxLength:"50" doc:"Its colour."`
		Size             *string             `json:"size,omitempty" maxLength:"50" doc:"Its size."`
		ListPriceWon     *int64              `json:"list_price_won,omitempty" minimum:"1" maximum:"1000000000" doc:"What it costs without a discount." example:"129000"`
		PriceWon         *int64              `json:"price_won,omitempty" minimum:"1" maximum:"1000000000" doc:"What it costs." example:"89000"`
		Description      *string             `json:"description,omitempty" maxLength:"10000" doc:"What there is to say about it."`
		Tags             *[]string           `json:"tags,omitempty" maxItems:"20" doc:"Words that it can be found by."`
		LimitPerCustomer *int32              `json:"limit_per_customer,omitempty" minimum:"0" maximum:"1000000" doc:"How many pieces one customer may buy; 0: as many as there are."`
		PublishAt        nullable[time.Time] `json:"publish_at,omitempty" doc:"When a draft is shown to shoppers by itself; null: when somebody publishes it."`
	}
}

func (a *Admin) edit(ctx context.Context, in *editProductInput) (*managedProductOutput, error) {
	b := in.Body
	if b.Tags != nil {
		if err := checkTags(*b.Tags); err != nil {
			return nil, err
		}
	}
	return answerWith(a.service.EditProduct(ctx, in.ID, in.IfMatch, func(f *Fields) {
		set(&f.CategoryID, b.CategoryID)
		set(&f.Name, b.Name)
		set(&f.NameEn, b.NameEn)
		set(&f.Brand, b.Brand)
		set(&f.Color, b.Color)
		set(&f.Size, b.Size)
		set(&f.ListPriceWon, b.ListPriceWon)
		set(&f.PriceWon, b.PriceWon)
		set(&f.Description, b.Description)
		set(&f.Tags, b.Tags)
		set(&f.LimitPerCustomer, b.LimitPerCustomer)
		if b.PublishAt.given {
			f.PublishAt = b.PublishAt.value
		}
	}))
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// maxTag is how long a tag may be, in bytes.
const maxTag = 100

func checkTags(tags []string) error {
	for i, t := range tags {
		if t == "" || len(t) > maxTag {
			return web.ErrInvalid.WithFields(fault.Field{Pointer: "/tags/" + itoa(i), Detail: "must have 1 to 100 bytes"})
		}
	}
	return nil
}

type actInput struct {
	IfMatch string `header:"If-Match" maxLength:"1024" doc:"The ETag of the product as you read it: 412 when it was changed since. Left out: act on whatever is there."`
	ProductPath
}

func (a *Admin) act(action string) func(context.Context, *actInput) (*managedProductOutput, error) {
	return func(ctx context.Context, in *actInput) (*managedProductOutput, error) {
		return answerWith(a.service.ActOnProduct(ctx, in.ID, action, in.IfMatch))
	}
}

type deleteProductInput struct {
	web.Precondition
	ProductPath
}

func (a *Admin) delete(ctx context.Context, in *deleteProductInput) (*struct{}, error) {
	_, err := a.service.ActOnProduct(ctx, in.ID, actDelete, in.IfMatch)
	return nil, err
}
