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
	"github.com/sasapick/shop/internal/platform/idempotency"
	"github.com/sasapick/shop/internal/platform/web"
)

func (a *Admin) pointRoutes(api *web.API) {
	const path = "/admin/accounts/{id}/points"
	web.Register(api, web.Operation{
		ID: "list-account-points", Method: http.MethodGet, Path: path, Tag: tag, Summary: "Show an account's points", Role: auth.Manager,
		Description: "The balance, and the ledger that it is the sum of, the latest line first.",
		Problems:    []*fault.Error{accounts.ErrNoAccount},
	}, a.points)
	web.Register(api, web.Operation{
		ID: "grant-points", Method: http.MethodPost, Path: path, Tag: tag, Summary: "Grant points, or revoke some", Role: auth.Admin,
		Description: "A negative number takes points away, but never what orders hold.",
		Status:      http.StatusCreated, Idempotent: true,
		Problems: []*fault.Error{accounts.ErrNoAccount, accounts.ErrNotEnoughPoints, idempotency.ErrReused},
	}, a.grant)
	web.Register(api, web.Operation{
		ID: "list-tiers", Method: http.MethodGet, Path: "/admin/tiers", Tag: tag, Summary: "List the tiers", Role: auth.Manager,
		Description: "From the least to the best.",
	}, a.tiers)
	web.Register(api, web.Operation{
		ID: "set-tier", Method: http.MethodPut, Path: "/admin/tiers/{name}", Tag: tag, Summary: "Change a tier", Role: auth.Admin,
		Description: "A better tier takes more to reach, and earns as much at least. Who is in which tier follows within seconds; what was earned stays.",
		Problems:    []*fault.Error{accounts.ErrNoTier, accounts.ErrTiersNotAscend, web.ErrStale, web.ErrIfMatchRequired},
	}, a.setTier)
}

// EntryForAdmins is a line of the ledger as managers and admins see it.
type EntryForAdmins struct {
	PointEntry
	ActorID *uuid.UUID `json:"actor_id,omitempty" doc:"The admin who granted or revoked them."`
}

func entryForAdmins(e db.AccountsPointEntry) EntryForAdmins {
	return EntryForAdmins{PointEntry: toEntry(e), ActorID: e.ActorID}
}

// PointsForAdmins is a balance with a page of its ledger as managers and admins see it.
type PointsForAdmins struct {
	Balance   int64            `json:"balance" example:"1200" doc:"The sum of the ledger."`
	Held      int64            `json:"held" example:"200" doc:"What unpaid orders hold of it."`
	Spendable int64            `json:"spendable" example:"1000" doc:"The rest."`
	Items     []EntryForAdmins `json:"items"`
	Next      string           `json:"next_cursor,omitempty" doc:"Give it as cursor to get the next page; absent on the last one."`
}

type accountPointsInput struct {
	web.PageQuery
	ID uuid.UUID `path:"id" doc:"The account."`
}

type accountPointsOutput struct {
	Body PointsForAdmins
}

func (a *Admin) points(ctx context.Context, in *accountPointsInput) (*accountPointsOutput, error) {
	before, err := positionOf(in.Cursor)
	if err != nil {
		return nil, err
	}
	l, err := a.service.LedgerOf(ctx, in.ID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	list := make([]EntryForAdmins, len(l.Entries))
	for i, e := range l.Entries {
		list[i] = entryForAdmins(e)
	}
	page := web.PageOf(list, in.Limit, func(e EntryForAdmins) any { return position{e.ID} })
	return &accountPointsOutput{PointsForAdmins{
		Balance: l.Balance, Held: l.Held, Spendable: l.Balance - l.Held, Items: page.Items, Next: page.NextCursor,
	}}, nil
}

type grantInput struct {
	web.Idempotency
	ID   uuid.UUID `path:"id" doc:"The account."`
	Body struct {
		Points int64  `json:"points" minimum:"-1000000000" maximum:"1000000000" example:"1000" doc:"How many to grant, or to revoke if negative."`
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"a late parcel" doc:"Why; the shopper reads it."`
	}
}

type grantOutput struct {
	idempotency.Replay
	Body EntryForAdmins
}

func (a *Admin) grant(ctx context.Context, in *grantInput) (*grantOutput, error) {
	entry, replayed, err := a.service.Grant(ctx, GrantInput{
		AccountID: in.ID, Points: in.Body.Points, Reason: in.Body.Reason,
		Key: in.KeyOf("/admin/accounts/"+in.ID.String()+"/points", in.Body),
	})
	if err != nil {
		return nil, err
	}
	return &grantOutput{Replay: idempotency.Replay{Replayed: replayed}, Body: entryForAdmins(entry)}, nil
}

type tierView struct {
	Name         string    `json:"name" enum:"bronze,silver,gold,vip" doc:"The tier."`
	FromWon      int64     `json:"from_won" example:"300000" doc:"What somebody must have bought in twelve months to be in it."`
	EarnPermille int64     `json:"earn_permille" example:"15" doc:"The thousandths of a purchase that come back as points."`
	UpdatedAt    time.Time `json:"updated_at"`
	ETag         string    `json:"etag" doc:"Names this state of the tier, for If-Match."`
}

func tierViewOf(t db.AccountsTier) tierView {
	return tierView{Name: t.Name, FromWon: t.FromWon, EarnPermille: t.EarnPermille, UpdatedAt: t.UpdatedAt.UTC(), ETag: TierETag(t)}
}

type tiersOutput struct {
	Body struct {
		Items []tierView `json:"items"`
	}
}

func (a *Admin) tiers(ctx context.Context, _ *struct{}) (*tiersOutput, error) {
	rules, err := a.service.TierRules(ctx)
	if err != nil {
		return nil, err
	}
	out := &tiersOutput{}
	for _, t := range rules {
		out.Body.Items = append(out.Body.Items, tierViewOf(t))
	}
	return out, nil
}

type setTierInput struct {
	web.Precondition
	Name string `path:"name" maxLength:"20" example:"gold" doc:"The tier."`
	Body struct {
		FromWon      int64 `json:"from_won" minimum:"0" maximum:"1000000000000" example:"300000" doc:"What somebody must have bought in twelve months to be in it; 0 for bronze."`
		EarnPermille int64 `json:"earn_permille" minimum:"0" maximum:"1000" example:"15" doc:"The thousandths of a purchase that come back as points."`
	}
}

type tierOutput struct {
	ETag string `header:"ETag" doc:"Names this state of the tier, for If-Match."`
	Body tierView
}

func (a *Admin) setTier(ctx context.Context, in *setTierInput) (*tierOutput, error) {
	t, err := a.service.SetTierRule(ctx, accounts.Tier(in.Name), in.IfMatch, TierRule(in.Body))
	if err != nil {
		return nil, err
	}
	return &tierOutput{ETag: TierETag(t), Body: tierViewOf(t)}, nil
}
