package web

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/fault"
)

func TestSchemaName(t *testing.T) {
	t.Parallel()

	require.Equal(t, "coupons", moduleOf("github.com/sasapick/shop/internal/coupons/internal/app"))
	require.Equal(t, "coupons", moduleOf("github.com/sasapick/shop/internal/coupons"))
	require.Equal(t, "audit", moduleOf("github.com/sasapick/shop/internal/platform/audit"))
	require.Empty(t, moduleOf("github.com/sasapick/shop/internal/platform/web_test"))
	require.Empty(t, moduleOf("time"))

	a := New(Options{})
	name := func(v any, hint string) string { return a.schemaName(reflect.TypeOf(v), hint) }
	require.Equal(t, "AuthPrincipal", name(auth.Principal{}, ""))
	require.Equal(t, "AuthPrincipal", name(&auth.Principal{}, "again"))
	require.Equal(t, "PageFaultField", name(Page[fault.Field]{}, ""))
	require.Equal(t, "Problem", name(Problem{}, ""))

	a.naming = &Operation{Tag: "coupons"}
	require.Equal(t, "CouponsInputBody", name(struct{ A int }{}, "InputBody"))
	require.Equal(t, "CouponsInputBody2", name(struct{ B int }{}, "InputBody"), "another type gets another name, not a panic")
	require.Equal(t, "CouponsInputBody", name(struct{ A int }{}, "Elsewhere"), "the same type has one name")
}
