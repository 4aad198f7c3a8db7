package catalog_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/platform/contracttest"
)

func TestEvents(t *testing.T) {
	t.Parallel()

	id := uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d")
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	contracttest.Golden(t, "product_changed.v1", catalog.ProductChanged{ProductID: id, Version: 3, DocVersion: 7, At: at})
	image := uuid.MustParse("0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3e")
	contracttest.Golden(t, "image_added.v1", catalog.ImageAdded{ImageID: image, ProductID: id, Version: 1, At: at})
	contracttest.Golden(t, "category_changed.v1", catalog.CategoryChanged{CategoryID: id, Version: 2, At: at})
	contracttest.Golden(t, "restocked.v1", catalog.Restocked{RestockID: id, Version: 1, ProductID: id, ProductName: "나이키 러닝 운동화", AccountIDs: []uuid.UUID{id}, At: at})
}
