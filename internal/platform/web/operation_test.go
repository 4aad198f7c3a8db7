package web_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/web"
)

type passedOver struct {
	ID uuid.UUID `path:"id"`
}

type ReadByHuma struct {
	ID uuid.UUID `path:"id"`
}

// huma reads no embedded struct whose type is not exported: the id would be zero in every request.
func TestAParameterThatIsNotReadIsRefusedAtStart(t *testing.T) {
	operation := web.Operation{ID: "show-thing", Method: "GET", Path: "/things/{id}", Tag: "t", Summary: "Show a thing"}
	require.PanicsWithValue(t, `web: huma does not read the parameter "path id" of show-thing; is it in an embedded struct whose type is not exported?`, func() {
		web.Register(web.New(web.Options{}), operation, func(context.Context, *struct{ passedOver }) (*struct{}, error) { return nil, nil })
	})
	require.NotPanics(t, func() {
		web.Register(web.New(web.Options{}), operation, func(context.Context, *struct{ ReadByHuma }) (*struct{}, error) { return nil, nil })
	})
	require.Panics(t, func() {
		web.Register(web.New(web.Options{}), operation, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	}, "a parameter of the path that nothing reads")
}

func TestEveryStatusOfSuccessIsDocumented(t *testing.T) {
	api := web.New(web.Options{})
	type answer struct {
		Status int
		Body   struct {
			OK bool `json:"ok"`
		}
	}
	web.Register(api, web.Operation{
		ID: "take", Method: "POST", Path: "/take", Tag: "t", Summary: "Take", Status: 201, Also: map[int]string{200: "It was taken before."},
	}, func(context.Context, *struct{}) (*answer, error) { return nil, nil })
	responses := api.OpenAPI().Paths["/take"].Post.Responses
	require.Equal(t, "It was taken before.", responses["200"].Description)
	require.Equal(t, responses["201"].Content, responses["200"].Content)
}
