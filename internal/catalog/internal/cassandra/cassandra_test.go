package cassandra_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/cassandra"
	"github.com/sasapick/shop/internal/catalog/internal/storetest"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// open returns a store in a keyspace of its own.
func open(t *testing.T) *cassandra.Store {
	t.Helper()
	hosts, keyspace := stacktest.Cassandra(t)
	s, err := cassandra.New(cassandra.Config{Hosts: hosts, Keyspace: keyspace, Datacenter: "datacenter1", Migrate: true})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()

	storetest.RunStore(t, func(t *testing.T) storetest.Store {
		const generation = "1"
		s := open(t)
		require.NoError(t, s.Create(t.Context(), generation))
		require.NoError(t, s.Adopt(t.Context(), generation))
		return storetest.Store{Store: s, Put: func(t *testing.T, documents ...app.Document) {
			require.NoError(t, s.PutInto(t.Context(), generation, documents))
		}}
	})
}

func TestProjection(t *testing.T) {
	t.Parallel()

	storetest.RunProjection(t, func(t *testing.T) app.Projection { return open(t) })
}
