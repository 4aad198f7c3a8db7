package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
	"github.com/sasapick/shop/internal/platform/webtest"
)

// TestQuickly holds the answers that are given without huma to those that huma gives.
func TestQuickly(t *testing.T) {
	t.Parallel()

	type quickInput struct {
		ID uuid.UUID `path:"id"`
	}
	type humaInput struct {
		ID   uuid.UUID `path:"id"`
		Note string    `query:"note" maxLength:"10"` // an input with anything but ids is huma's
	}
	type body struct {
		ID      uuid.UUID `json:"id"`
		Account uuid.UUID `json:"account_id"`
		Text    string    `json:"text"`
		List    []string  `json:"list"`
	}
	type statusOutput struct {
		Status int
		Body   body
	}
	type plainOutput struct{ Body body }

	gone := fault.New(fault.Exhausted, "t.gone", "nothing is <left> & \u2028")
	busy := fault.New(fault.Unavailable, "t.busy", "too many").WithRetryAfter(1500 * time.Millisecond)
	account := uuid.New()
	ids := map[string]uuid.UUID{}
	for _, name := range []string{"created", "repeated", "listed", "gone", "busy", "broken"} {
		ids[name] = uuid.Must(uuid.NewV7())
	}
	answer := func(ctx context.Context, id uuid.UUID) (int, body, error) {
		b := body{ID: id, Account: auth.Must(ctx).AccountID, Text: "<할인> & more"}
		_, limited := ctx.Deadline()
		require.True(t, limited)
		switch id {
		case ids["repeated"]:
			return http.StatusOK, b, nil
		case ids["listed"]:
			b.List = []string{"a"}
		case ids["gone"]:
			return 0, body{}, gone.WithDetail("0 of <100>")
		case ids["busy"]:
			return 0, body{}, busy
		case ids["broken"]:
			return 0, body{}, errors.New("a secret")
		}
		return http.StatusCreated, b, nil
	}
	s := webtest.New(t, web.Options{Verifier: webtest.Tokens{"shopper": {AccountID: account, Role: auth.Shopper}}})
	operation := func(id, method, path string) web.Operation {
		o := web.Operation{ID: id, Method: method, Path: path, Tag: "t", Summary: "s", Role: auth.Shopper, Problems: []*fault.Error{gone, busy}}
		if method == http.MethodPost {
			o.Status, o.Also = http.StatusCreated, map[int]string{http.StatusOK: "again"}
		}
		return o
	}
	web.Register(s.API, operation("quick-post", "POST", "/v1/quick/{id}"), func(ctx context.Context, in *quickInput) (*statusOutput, error) {
		status, b, err := answer(ctx, in.ID)
		return &statusOutput{status, b}, err
	})
	web.Register(s.API, operation("huma-post", "POST", "/v1/slowly/{id}"), func(ctx context.Context, in *humaInput) (*statusOutput, error) {
		status, b, err := answer(ctx, in.ID)
		return &statusOutput{status, b}, err
	})
	web.Register(s.API, operation("quick-get", "GET", "/v1/quick/{id}"), func(ctx context.Context, in *quickInput) (*plainOutput, error) {
		_, b, err := answer(ctx, in.ID)
		return &plainOutput{b}, err
	})
	web.Register(s.API, operation("huma-get", "GET", "/v1/slowly/{id}"), func(ctx context.Context, in *humaInput) (*plainOutput, error) {
		_, b, err := answer(ctx, in.ID)
		return &plainOutput{b}, err
	})

	for name, id := range ids {
		for form, text := range map[string]string{"": id.String(), "Upper": strings.ToUpper(id.String()), "URN": id.URN(), "Cut": id.String()[1:], "None": strings.Repeat("x", 36)} {
			for _, method := range []string{"GET", "POST", "HEAD"} {
				for _, query := range []string{"", "?note=1"} {
					trace := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
					quick := s.Do("shopper", method, "/v1/quick/"+text, "", "Traceparent", trace)
					slow := s.Do("shopper", method, "/v1/slowly/"+text+query, "", "Traceparent", trace)
					require.Equal(t, slow.Status, quick.Status, "%s %s %s", method, name, form)
					require.Equal(t, strings.ReplaceAll(slow.Raw, "/v1/slowly/", "/v1/quick/"), quick.Raw, "%s %s %s", method, name, form)
					for _, h := range []http.Header{slow.Header, quick.Header} {
						h.Del("X-Request-Id")
						h.Del("Traceparent")
					}
					require.Equal(t, slow.Header, quick.Header, "%s %s %s", method, name, form)
				}
			}
		}
	}
	require.Equal(t, http.StatusUnauthorized, s.Do("", "POST", "/v1/quick/"+ids["created"].String(), "").Status)
}
