package catalog_test

import (
	"testing"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

func TestContract(t *testing.T) {
	t.Parallel()

	contracttest.Check[catalog.Products](t)
	contracttest.Check[catalog.Stock](t)
	contracttest.Check[catalog.Drops](t)
	contracttest.CheckEvents(t, "catalog", catalog.ProductChanged{}, catalog.CategoryChanged{}, catalog.Restocked{}, catalog.ImageAdded{})
}
