package elastic_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/elastic"
	"github.com/sasapick/shop/internal/catalog/internal/searchtest"
	"github.com/sasapick/shop/internal/catalog/internal/storetest"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// connect returns an index that has no generation yet; those that the test makes go when it ends.
func connect(t *testing.T) *elastic.Index {
	t.Helper()
	address, alias := stacktest.Elasticsearch(t)
	x, err := elastic.New(elastic.Config{URL: address, Alias: alias})
	require.NoError(t, err)
	return x
}

// fresh is an index of one generation in which whatever is Put is found at once.
type fresh struct {
	*elastic.Index
}

func (f fresh) Put(ctx context.Context, documents []app.Document) error {
	if err := f.Index.Put(ctx, documents); err != nil {
		return err
	}
	return f.Refresh(ctx, "1")
}

func open(t *testing.T) app.Index {
	t.Helper()
	x := connect(t)
	require.NoError(t, x.Create(t.Context(), "1"))
	require.NoError(t, x.Adopt(t.Context(), "1"))
	return fresh{x}
}

// shown is an index in which whatever is put into a generation is found at once.
type shown struct {
	*elastic.Index
}

func (s shown) PutInto(ctx context.Context, generation string, documents []app.Document) error {
	if err := s.Index.PutInto(ctx, generation, documents); err != nil {
		return err
	}
	return s.Refresh(ctx, generation)
}

func TestProjection(t *testing.T) {
	t.Parallel()

	storetest.RunProjection(t, func(t *testing.T) app.Projection { return shown{connect(t)} })
}

func TestIndex(t *testing.T) {
	t.Parallel()

	searchtest.Run(t, open)
}
