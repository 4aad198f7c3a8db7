package app

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

const tag = "accounts"

// HTTP is what accounts says to shoppers.
type HTTP struct {
	service *Service
}

var _ web.Routes = (*HTTP)(nil)

// NewHTTP returns the routes of shoppers.
func NewHTTP(s *Service) *HTTP { return &HTTP{service: s} }

// Routes registers signing up, in and out, and everything below /v1/me that accounts owns.
func (h *HTTP) Routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "sign-up", Method: http.MethodPost, Path: "/v1/users", Tag: tag, Summary: "Sign up",
		Description: "Makes a shopper's account. The email is kept in lower case and can be used once.",
		Status:      http.StatusCreated,
		Problems:    []*fault.Error{accounts.ErrEmailTaken, accounts.ErrTooManyTries, accounts.ErrBusy},
	}, h.signUp)
	web.Register(api, web.Operation{
		ID: "sign-in", Method: http.MethodPost, Path: "/v1/sessions", Tag: tag, Summary: "Sign in",
		Description: "Opens a session. An unknown email is answered like a wrong password, in the same time.",
		Problems:    []*fault.Error{accounts.ErrBadCredentials, accounts.ErrTooManyTries, accounts.ErrBusy}, ReadOnlySafe: true,
	}, h.signIn)
	web.Register(api, web.Operation{
		ID: "refresh-session", Method: http.MethodPost, Path: "/v1/sessions/refresh", Tag: tag, Summary: "Get new tokens",
		Description: "Exchanges a refresh token for its successor. The same token gives the same successor for 10 s, in case " +
			"the answer was lost; used again in any other way, it ends the session.",
		Problems: []*fault.Error{accounts.ErrBadRefresh}, ReadOnlySafe: true,
	}, h.refresh)
	web.Register(api, web.Operation{
		ID: "sign-out", Method: http.MethodDelete, Path: "/v1/sessions/current", Tag: tag, Summary: "Sign out",
		Description: "Ends the session of the refresh token in the body or, without one, of the access token.",
		Status:      http.StatusNoContent,
		Problems:    []*fault.Error{accounts.ErrBadRefresh, auth.ErrNoToken}, ReadOnlySafe: true,
	}, h.signOut)
	web.Register(api, web.Operation{
		ID: "show-key-set", Method: http.MethodGet, Path: "/.well-known/jwks.json", Tag: tag, Summary: "Keys that sign access tokens",
		Description: "The JSON Web Key Set (RFC 7517) of the Ed25519 keys. A new key is shown here ten minutes before it signs.",
	}, h.keySet)
	h.meRoutes(api)
	h.addressRoutes(api)
	h.pointRoutes(api)
}

type signUpInput struct {
	Body struct {
		Email    string `json:"email" minLength:"3" maxLength:"254" example:"jieun@example.com" doc:"Where the person is reached; their name when they sign in."`
		Password string `json:"password" minLength:"8" maxLength:"128" example:"correct horse battery" doc:"8 to 128 characters, any."`
		Name     string `json:"name" minLength:"1" maxLength:"100" example:"김지은" doc:"What the person is called."`
	}
}

type accountOutput struct {
	Body accounts.Account
}

func (h *HTTP) signUp(ctx context.Context, in *signUpInput) (*accountOutput, error) {
	account, err := h.service.SignUp(ctx, SignUpInput{
		Email: in.Body.Email, Password: in.Body.Password, Name: in.Body.Name, Client: web.ClientIP(ctx),
	})
	return &accountOutput{account}, err
}

type signInInput struct {
	Body struct {
		Email    string `json:"email" minLength:"1" maxLength:"254" example:"jieun@example.com" doc:"The email of the account."`
		Password string `json:"password" minLength:"1" maxLength:"128" example:"correct horse battery" doc:"The password of the account."`
	}
}

// TokensBody is what a client uses a session with.
type TokensBody struct {
	AccessToken  string `json:"access_token" example:"eyJhbGciOiJFZERTQSIs…" doc:"For the header Authorization: Bearer."`
	RefreshToken string `json:"refresh_token" example:"4f1Zk0m2…" doc:"Gets the next tokens, once."`
	TokenType    string `json:"token_type" enum:"Bearer" example:"Bearer"`
	ExpiresIn    int64  `json:"expires_in" example:"900" doc:"Seconds for which the access token holds."`
}

type tokensOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         TokensBody
}

func tokensAnswer(t Tokens) *tokensOutput {
	return &tokensOutput{CacheControl: "no-store", Body: TokensBody{
		AccessToken: t.Access, RefreshToken: t.Refresh, TokenType: "Bearer", ExpiresIn: int64(accessLife.Seconds()),
	}}
}

func (h *HTTP) signIn(ctx context.Context, in *signInInput) (*tokensOutput, error) {
	t, err := h.service.SignIn(ctx, SignInInput{Email: in.Body.Email, Password: in.Body.Password, Client: web.ClientIP(ctx)})
	return tokensAnswer(t), err
}

// RefreshBody holds a refresh token.
type RefreshBody struct {
	RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"256" example:"4f1Zk0m2…" doc:"As signing in or the last refresh gave it."`
}

type refreshInput struct {
	Body RefreshBody
}

func (h *HTTP) refresh(ctx context.Context, in *refreshInput) (*tokensOutput, error) {
	t, err := h.service.Refresh(ctx, in.Body.RefreshToken)
	return tokensAnswer(t), err
}

type signOutInput struct {
	Body *RefreshBody `required:"false"`
}

func (h *HTTP) signOut(ctx context.Context, in *signOutInput) (*struct{}, error) {
	if in.Body != nil {
		return nil, h.service.SignOut(ctx, in.Body.RefreshToken)
	}
	who, ok := auth.From(ctx)
	if !ok {
		return nil, auth.ErrNoToken
	}
	return nil, h.service.EndSession(ctx, who.AccountID, who.SessionID)
}

type keySetInput struct {
	web.Conditional
}

type keySetOutput struct {
	CacheControl string `header:"Cache-Control"`
	ETag         string `header:"ETag"`
	Body         keySetBody
}

// keySetBody is the key set, encoded already.
type keySetBody struct{ json.RawMessage }

// ContentType implements [huma.ContentTypeFilter].
func (keySetBody) ContentType(string) string { return "application/jwk-set+json" }

// Schema implements [huma.SchemaProvider]. The shop's own members are told; RFC 7517 lets others come.
func (keySetBody) Schema(huma.Registry) *huma.Schema {
	text := func(example string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Examples: []any{example}}
	}
	key := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true, Required: []string{"kty", "crv", "x", "kid"},
		Properties: map[string]*huma.Schema{
			"kty": text("OKP"), "crv": text("Ed25519"), "x": text("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"), "kid": text("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"),
		},
	}
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true, Required: []string{"keys"},
		Properties: map[string]*huma.Schema{"keys": {Type: huma.TypeArray, Items: key}},
	}
}

// keySetCache is shorter than a new key is shown before it signs.
const keySetCache = "public, max-age=300"

func (h *HTTP) keySet(ctx context.Context, in *keySetInput) (*keySetOutput, error) {
	keys, err := h.service.keyring.shown(ctx)
	if err != nil {
		return nil, err
	}
	set := auth.JWKS(keys)
	etag := web.ETag(set)
	if web.NotModified(in.IfNoneMatch, etag) {
		return nil, web.Unchanged(etag, keySetCache)
	}
	return &keySetOutput{CacheControl: keySetCache, ETag: etag, Body: keySetBody{set}}, nil
}
