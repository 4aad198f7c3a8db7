package pg_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// files are three migrations of two schemas. Some need the platform's schema to be there before the module's.
var files = fstest.MapFS{
	"0001_platform_init.sql": {Data: []byte("-- +goose Up\nCREATE SCHEMA IF NOT EXISTS platform;\nCREATE TABLE platform.shape (id bigint);\n")},
	"0002_toys_init.sql":     {Data: []byte("-- +goose Up\nCREATE SCHEMA IF NOT EXISTS toys;\nCREATE TABLE toys.box (LIKE platform.shape);\n")},
	"0003_books_init.sql":    {Data: []byte("-- +goose Up\nCREATE SCHEMA IF NOT EXISTS books;\nCREATE TABLE books.shelf (LIKE platform.shape);\n")},
	"0004_toys_fill.sql":     {Data: []byte("-- +goose Up\nINSERT INTO toys.box VALUES (1);\n")},
}

func TestMigrate(t *testing.T) {
	t.Parallel()

	t.Run("MakesEverySchema", func(t *testing.T) {
		t.Parallel()

		address := empty(t)
		require.NoError(t, pg.Migrate(t.Context(), address, pg.Schemas()...))
		pool := open(t, pg.Config{URL: address, Name: "test"})
		require.ElementsMatch(t, pg.Schemas(), schemas(t, pool))
		require.Equal(t, "platform", pg.Schemas()[0])
	})

	t.Run("KeepsAVersionTablePerSchema", func(t *testing.T) {
		t.Parallel()

		address := empty(t)
		require.NoError(t, pg.MigrateFiles(t.Context(), files, address, []string{"toys", "books"}))
		pool := open(t, pg.Config{URL: address, Name: "test"})
		require.Equal(t, []int64{0, 1}, versions(t, address, "platform"))
		require.Equal(t, []int64{0, 2, 4}, versions(t, address, "toys"))
		require.Equal(t, []int64{0, 3}, versions(t, address, "books"))
		require.Equal(t, 3, one[int](t, pool, "SELECT count(*) FROM pg_class WHERE relname = 'schema_version'"))
		require.Zero(t, one[int](t, pool, "SELECT count(*) FROM pg_class WHERE relname LIKE 'goose%'"))
	})

	t.Run("TakesOneSchemaAtATime", func(t *testing.T) {
		t.Parallel()

		address := empty(t)
		require.NoError(t, pg.MigrateFiles(t.Context(), files, address, []string{"books"}))
		pool := open(t, pg.Config{URL: address, Name: "test"})
		require.Equal(t, []string{"books", "platform"}, schemas(t, pool))
		require.NoError(t, pg.MigrateFiles(t.Context(), files, address, []string{"toys"}))
		require.Equal(t, []int64{0, 2, 4}, versions(t, address, "toys"), "numbers lower than another schema's are applied")
	})

	t.Run("LetsSeveralStartAtOnce", func(t *testing.T) {
		t.Parallel()

		for range 3 {
			address := empty(t)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := pg.MigrateFiles(t.Context(), files, address, []string{"toys", "books"}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			pool := open(t, pg.Config{URL: address, Name: "test"})
			require.Equal(t, []int64{0, 2, 4}, versions(t, address, "toys"))
			require.Equal(t, 1, one[int](t, pool, "SELECT count(*) FROM toys.box"), "applied once")
			require.Zero(t, one[int](t, pool, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))
		}
	})

	t.Run("WaitsForAnother", func(t *testing.T) {
		t.Parallel()

		address := empty(t)
		pool := open(t, pg.Config{URL: address, Name: "test"})
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
		_, err = conn.Exec(t.Context(), "SELECT pg_advisory_lock($1)", pg.MigrationLock)
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		err = pg.MigrateFiles(ctx, files, address, []string{"toys"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, one[[]string](t, pool, "SELECT array_agg(nspname::text) FROM pg_namespace WHERE nspname = 'toys'"))

		done := make(chan error, 1)
		go func() { done <- pg.MigrateFiles(t.Context(), files, address, []string{"toys"}) }()
		_, err = conn.Exec(t.Context(), "SELECT pg_advisory_unlock($1)", pg.MigrationLock)
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Equal(t, []int64{0, 2, 4}, versions(t, address, "toys"))

		// With nothing to do it does not even ask for the lock.
		_, err = conn.Exec(t.Context(), "SELECT pg_advisory_lock($1)", pg.MigrationLock)
		require.NoError(t, err)
		require.NoError(t, pg.MigrateFiles(t.Context(), files, address, []string{"toys"}))
	})

	t.Run("AppliesWhatIsNew", func(t *testing.T) {
		t.Parallel()

		address := empty(t)
		require.NoError(t, pg.MigrateFiles(t.Context(), files, address, []string{"toys"}))
		more := maps.Clone(files)
		more["0005_toys_more.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nINSERT INTO toys.box VALUES (2);\n")}
		require.NoError(t, pg.MigrateFiles(t.Context(), more, address, []string{"toys"}))
		require.Equal(t, []int64{0, 2, 4, 5}, versions(t, address, "toys"))

		require.NoError(t, pg.MigrateFiles(t.Context(), files, address, []string{"toys"}), "an older program leaves a newer database alone")
		require.Equal(t, []int64{0, 2, 4, 5}, versions(t, address, "toys"))
	})

	t.Run("StopsAtAMistake", func(t *testing.T) {
		t.Parallel()

		address := empty(t)
		wrong := maps.Clone(files)
		wrong["0004_toys_fill.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nINSERT INTO toys.box VALUES (7);\nINSERT INTO toys.nowhere VALUES (1);\n")}
		err := pg.MigrateFiles(t.Context(), wrong, address, []string{"toys"})
		require.ErrorContains(t, err, "migrate schema toys")
		require.Equal(t, "42P01", pg.Code(err))
		require.Equal(t, []int64{0, 2}, versions(t, address, "toys"))
		pool := open(t, pg.Config{URL: address, Name: "test"})
		require.Zero(t, one[int](t, pool, "SELECT count(*) FROM toys.box"), "half a file is not applied")

		require.NoError(t, pg.MigrateFiles(t.Context(), files, address, []string{"toys"}))
		require.Equal(t, []int64{0, 2, 4}, versions(t, address, "toys"))
	})

	t.Run("RefusesWhatItDoesNotKnow", func(t *testing.T) {
		t.Parallel()

		address := pgtest.URL(t)
		require.EqualError(t, pg.Migrate(t.Context(), address, "nonsense"), `there are no migrations for schema "nonsense"`)
		misnamed := maps.Clone(files)
		misnamed["fix.sql"] = files["0001_platform_init.sql"]
		require.ErrorContains(t, pg.MigrateFiles(t.Context(), misnamed, address, []string{"toys"}), "migration fix.sql is not named NNNN_<module>_<change>.sql")
		require.True(t, pg.IsUnavailable(pg.Migrate(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable")))
	})
}

func versions(t *testing.T, address, schema string) []int64 {
	t.Helper()
	pool := open(t, pg.Config{URL: address, Name: "test"})
	return one[[]int64](t, pool, "SELECT array_agg(version_id ORDER BY version_id) FROM "+schema+".schema_version")
}
