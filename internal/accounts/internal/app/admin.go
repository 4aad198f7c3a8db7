package app

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

// Admin is what accounts says to managers and admins.
type Admin struct {
	service *Service
}

var _ web.Routes = (*Admin)(nil)

// NewAdmin returns the routes below /admin/accounts and /admin/tiers.
func NewAdmin(s *Service) *Admin { return &Admin{service: s} }

// Routes registers looking for accounts and acting on them.
func (a *Admin) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "find-accounts", Method: http.MethodGet, Path: "/admin/accounts", Tag: tag, Summary: "Find accounts", Role: auth.Manager,
		Description: "Newest first.",
	}, a.find)
	web.Register(api, web.Operation{
		ID: "show-account", Method: http.MethodGet, Path: "/admin/accounts/{id}", Tag: tag, Summary: "Show an account", Role: auth.Manager,
		Description: "A closed account is gone.",
		Problems:    []*fault.Error{accounts.ErrNoAccount},
	}, a.show)
	web.Register(api, web.Operation{
		ID: "suspend-account", Method: http.MethodPost, Path: "/admin/accounts/{id}/suspend", Tag: tag, Summary: "Suspend an account", Role: auth.Manager,
		Description: "Ends its sessions and lets it open no other. A manager acts on shoppers only.",
		Problems:    []*fault.Error{accounts.ErrNoAccount, accounts.ErrLastAdmin},
	}, a.suspend)
	web.Register(api, web.Operation{
		ID: "reinstate-account", Method: http.MethodPost, Path: "/admin/accounts/{id}/reinstate", Tag: tag, Summary: "Reinstate an account", Role: auth.Manager,
		Description: "Lets a suspended account sign in again. A manager acts on shoppers only.",
		Problems:    []*fault.Error{accounts.ErrNoAccount},
	}, a.reinstate)
	web.Register(api, web.Operation{
		ID: "set-account-role", Method: http.MethodPut, Path: "/admin/accounts/{id}/role", Tag: tag, Summary: "Set an account's role", Role: auth.Admin,
		Description: "Its access tokens end at once; the next refresh gives one with the new role.",
		Problems:    []*fault.Error{accounts.ErrNoAccount, accounts.ErrLastAdmin},
	}, a.setRole)
	a.pointRoutes(api)
}

// AccountForAdmins is an account as managers and admins see it.
type AccountForAdmins struct {
	ID              uuid.UUID `json:"id"`
	Email           string    `json:"email,omitempty" example:"jieun@example.com"`
	Name            string    `json:"name,omitempty" example:"김지은"`
	Role            string    `json:"role" enum:"shopper,manager,admin"`
	State           string    `json:"state" enum:"active,suspended,closed" doc:"A closed account has neither email nor name."`
	SuspendedReason string    `json:"suspended_reason,omitempty" example:"resale by bots"`
	Tier            string    `json:"tier" enum:"bronze,silver,gold,vip" doc:"By what the account bought in twelve months."`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

func forAdmins(a db.AccountsAccount) AccountForAdmins {
	return AccountForAdmins{
		ID: a.ID, Email: emailOf(a), Name: a.Name, Role: a.Role, State: a.State,
		SuspendedReason: a.SuspendedReason, Tier: a.Tier, CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC(),
	}
}

type findInput struct {
	web.PageQuery
	Q     string `query:"q" maxLength:"254" example:"jieun@" doc:"How the email or the name begins."`
	Role  string `query:"role" enum:"shopper,manager,admin" doc:"Only accounts of this role."`
	State string `query:"state" enum:"active,suspended,closed" doc:"Only accounts in this state."`
}

type findOutput struct {
	Body web.Page[AccountForAdmins]
}

func (a *Admin) find(ctx context.Context, in *findInput) (*findOutput, error) {
	before, err := positionOf(in.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := a.service.Find(ctx, Search{
		Prefix: in.Q, Role: auth.Role(in.Role), State: in.State, Before: before, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	list := make([]AccountForAdmins, len(found))
	for i, account := range found {
		list[i] = forAdmins(account)
	}
	return &findOutput{web.PageOf(list, in.Limit, func(a AccountForAdmins) any { return position{a.ID} })}, nil
}

type oneInput struct {
	ID uuid.UUID `path:"id" doc:"The account."`
}

type oneOutput struct {
	Body AccountForAdmins
}

func (a *Admin) show(ctx context.Context, in *oneInput) (*oneOutput, error) {
	account, err := a.service.One(ctx, in.ID)
	return &oneOutput{forAdmins(account)}, err
}

type suspendInput struct {
	ID   uuid.UUID `path:"id" doc:"The account."`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"resale by bots" doc:"Why; the shopper is not told."`
	}
}

func (a *Admin) suspend(ctx context.Context, in *suspendInput) (*oneOutput, error) {
	account, err := a.service.Suspend(ctx, in.ID, in.Body.Reason)
	return &oneOutput{forAdmins(account)}, err
}

func (a *Admin) reinstate(ctx context.Context, in *oneInput) (*oneOutput, error) {
	account, err := a.service.Reinstate(ctx, in.ID)
	return &oneOutput{forAdmins(account)}, err
}

type setRoleInput struct {
	ID   uuid.UUID `path:"id" doc:"The account."`
	Body struct {
		Role string `json:"role" enum:"shopper,manager,admin" example:"manager" doc:"The role from now on."`
	}
}

func (a *Admin) setRole(ctx context.Context, in *setRoleInput) (*oneOutput, error) {
	account, err := a.service.SetRole(ctx, in.ID, auth.Role(in.Body.Role))
	return &oneOutput{forAdmins(account)}, err
}
