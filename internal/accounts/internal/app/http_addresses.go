package app

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

func (h *HTTP) addressRoutes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "list-addresses", Method: http.MethodGet, Path: "/v1/me/addresses", Tag: tag, Summary: "List my addresses", Role: auth.Shopper,
		Description: "Oldest first.",
	}, h.addresses)
	web.Register(api, web.Operation{
		ID: "add-address", Method: http.MethodPost, Path: "/v1/me/addresses", Tag: tag, Summary: "Add an address", Role: auth.Shopper,
		Description: "At most 50, and at most one default: a new default takes the place of the one before.",
		Status:      http.StatusCreated, Problems: []*fault.Error{accounts.ErrTooMany},
	}, h.addAddress)
	web.Register(api, web.Operation{
		ID: "change-address", Method: http.MethodPatch, Path: "/v1/me/addresses/{id}", Tag: tag, Summary: "Change an address", Role: auth.Shopper,
		Description: "Fields that are left out stay as they are.",
		Problems:    []*fault.Error{accounts.ErrNoAddress},
	}, h.changeAddress)
	web.Register(api, web.Operation{
		ID: "remove-address", Method: http.MethodDelete, Path: "/v1/me/addresses/{id}", Tag: tag, Summary: "Remove an address", Role: auth.Shopper,
		Description: "Orders keep the address that they were placed with.",
		Problems:    []*fault.Error{accounts.ErrNoAddress},
	}, h.removeAddress)
}

type addressesOutput struct {
	Body web.Page[accounts.Address]
}

func (h *HTTP) addresses(ctx context.Context, in *struct{ web.PageQuery }) (*addressesOutput, error) {
	after, err := positionOf(in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := h.service.Addresses(ctx, value(after), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &addressesOutput{web.PageOf(list, in.Limit, func(a accounts.Address) any { return position{a.ID} })}, nil
}

type addAddressInput struct {
	Body struct {
		Alias     string `json:"alias" minLength:"1" maxLength:"50" example:"집" doc:"What the person calls the place."`
		Recipient string `json:"recipient" minLength:"1" maxLength:"100" example:"김지은" doc:"Who takes the parcel."`
		Phone     string `json:"phone" maxLength:"20" pattern:"^((\\+82[ -]?0?|0)[1-9][0-9]{0,2}[ -]?[0-9]{3,4}[ -]?[0-9]{4}|1[0-9]{3}[ -]?[0-9]{4})$" example:"010-1234-5678" doc:"A Korean number, with or without hyphens."`
		Zipcode   string `json:"zipcode" minLength:"5" maxLength:"5" pattern:"^[0-9]{5}$" example:"04524" doc:"The Korean postal code."`
		Line1     string `json:"line1" minLength:"1" maxLength:"200" example:"서울특별시 중구 세종대로 110" doc:"Street and number."`
		Line2     string `json:"line2,omitempty" maxLength:"200" example:"3층" doc:"Floor, door."`
		IsDefault bool   `json:"is_default,omitempty" doc:"Parcels go here unless another address is chosen."`
	}
}

type addressOutput struct {
	Body accounts.Address
}

func (h *HTTP) addAddress(ctx context.Context, in *addAddressInput) (*addressOutput, error) {
	b := &in.Body
	address, err := h.service.AddAddress(ctx, AddressFields{
		Alias: &b.Alias, Recipient: &b.Recipient, Phone: &b.Phone, Zipcode: &b.Zipcode, Line1: &b.Line1, Line2: &b.Line2, IsDefault: &b.IsDefault,
	})
	return &addressOutput{address}, err
}

type changeAddressInput struct {
	ID   uuid.UUID `path:"id" doc:"The address."`
	Body struct {
		Alias     *string `json:"alias,omitempty" minLength:"1" maxLength:"50" example:"회사" doc:"What the person calls the place."`
		Recipient *string `json:"recipient,omitempty" minLength:"1" maxLength:"100" example:"김지은" doc:"Who takes the parcel."`
		Phone     *string `json:"phone,omitempty" maxLength:"20" pattern:"^((\\+82[ -]?0?|0)[1-9][0-9]{0,2}[ -]?[0-9]{3,4}[ -]?[0-9]{4}|1[0-9]{3}[ -]?[0-9]{4})$" example:"02-123-4567" doc:"A Korean number, with or without hyphens."`
		Zipcode   *string `json:"zipcode,omitempty" minLength:"5" maxLength:"5" pattern:"^[0-9]{5}$" example:"04524" doc:"The Korean postal code."`
		Line1     *string `json:"line1,omitempty" minLength:"1" maxLength:"200" example:"서울특별시 중구 세종대로 110" doc:"Street and number."`
		Line2     *string `json:"line2,omitempty" maxLength:"200" example:"4층" doc:"Floor, door."`
		IsDefault *bool   `json:"is_default,omitempty" doc:"Parcels go here unless another address is chosen."`
	}
}

func (h *HTTP) changeAddress(ctx context.Context, in *changeAddressInput) (*addressOutput, error) {
	address, err := h.service.ChangeAddress(ctx, in.ID, AddressFields(in.Body))
	return &addressOutput{address}, err
}

func (h *HTTP) removeAddress(ctx context.Context, in *struct {
	ID uuid.UUID `path:"id" doc:"The address."`
},
) (*struct{}, error) {
	return nil, h.service.RemoveAddress(ctx, in.ID)
}
