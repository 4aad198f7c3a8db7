package pg

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/sasapick/shop/db/migrations"
)

// versionTable keeps, inside each schema, which of its migrations were applied.
const versionTable = "schema_version"

// migrationLock is the advisory lock that one of several instances holds while it changes a database.
const migrationLock = 7310_2026

// Schemas are the schemas that have migrations: the platform's first, the modules' in the order of their numbers.
func Schemas() []string {
	schemas, err := schemasOf(migrations.FS)
	if err != nil {
		panic(err) // a file whose name is wrong was compiled in
	}
	return schemas
}

// Migrate brings the schemas of a database up to date, the platform's first whether it is named or not.
//
// When nothing is to do it costs one connection and one query. Several instances may call it at the same time: one does
// the work and the others wait until ctx ends. A database that is newer than the program is left as it is.
func Migrate(ctx context.Context, address string, schemas ...string) error {
	return migrate(ctx, migrations.FS, address, schemas)
}

func migrate(ctx context.Context, files fs.FS, address string, schemas []string) error {
	schemas = slices.Insert(slices.DeleteFunc(slices.Clone(schemas), func(s string) bool { return s == Platform }), 0, Platform)
	sets := make([]migrationSet, len(schemas))
	for i, schema := range schemas {
		set, err := setOf(files, schema)
		if err != nil {
			return err
		}
		sets[i] = set
	}

	config, err := pgx.ParseConfig(address)
	if err != nil {
		return fmt.Errorf("read the database's URL: %w", err)
	}
	config.RuntimeParams["application_name"] = "shop.migrate"
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["lock_timeout"] = "10s"                                                                 // a migration that waits for a table makes everybody else wait behind it
	maps.DeleteFunc(config.RuntimeParams, func(name, _ string) bool { return strings.HasPrefix(name, "pool_") }) // the pool's, not PostgreSQL's
	db := stdlib.OpenDB(*config)
	defer db.Close()

	current, err := upToDate(ctx, db, sets)
	if err != nil || current {
		return err
	}
	unlock, err := lockMigrations(ctx, db)
	if err != nil {
		return err
	}
	defer unlock()
	for _, set := range sets {
		if err := set.up(ctx, db); err != nil {
			return fmt.Errorf("migrate schema %s: %w", set.schema, err)
		}
	}
	return nil
}

// lockMigrations takes a session's advisory lock around all of the work. It is asked for again and again instead of being
// waited for, because a session that waits inside a statement holds a snapshot, and CREATE INDEX CONCURRENTLY in the other
// one would wait for that. goose's own locker would take the lock too late: schema and version table come first, and
// IF NOT EXISTS does not hold between sessions.
func lockMigrations(ctx context.Context, db *sql.DB) (unlock func(), err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("take the migration lock: %w", err)
	}
	for {
		var locked bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", migrationLock).Scan(&locked); err != nil {
			conn.Close()
			return nil, fmt.Errorf("take the migration lock: %w", err)
		}
		if locked {
			break
		}
		select {
		case <-ctx.Done():
			conn.Close()
			return nil, fmt.Errorf("wait for the migrations of another instance: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return func() {
		// If this fails the session is lost, and its lock with it.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock)
		conn.Close()
	}, nil
}

// migrationSet is what one schema needs.
type migrationSet struct {
	schema   string
	files    fs.FS
	versions []int64
}

func (s migrationSet) up(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{s.schema}.Sanitize()); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, s.files,
		goose.WithTableName(s.schema+"."+versionTable),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// upToDate asks once for every schema's versions; a version table that isn't there means no.
func upToDate(ctx context.Context, db *sql.DB, sets []migrationSet) (bool, error) {
	var query strings.Builder
	for i, set := range sets {
		if i > 0 {
			query.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&query, "SELECT %d, version_id FROM %s WHERE is_applied", i, pgx.Identifier{set.schema, versionTable}.Sanitize())
	}
	rows, err := db.QueryContext(ctx, query.String())
	if err == nil {
		defer rows.Close()
		applied := make([]map[int64]bool, len(sets))
		for rows.Next() {
			var set int
			var version int64
			if err := rows.Scan(&set, &version); err != nil {
				return false, fmt.Errorf("read schema versions: %w", err)
			}
			if applied[set] == nil {
				applied[set] = map[int64]bool{}
			}
			applied[set][version] = true
		}
		if err = rows.Err(); err == nil {
			for i, set := range sets {
				if slices.ContainsFunc(set.versions, func(v int64) bool { return !applied[i][v] }) {
					return false, nil
				}
			}
			return true, nil
		}
	}
	if code := Code(err); code == "42P01" || code == "3F000" { // no such table, no such schema
		return false, nil
	}
	return false, fmt.Errorf("read schema versions: %w", err)
}

// setOf picks the files of one schema.
func setOf(files fs.FS, schema string) (migrationSet, error) {
	set := migrationSet{schema: schema, files: schemaFiles{FS: files, schema: schema}}
	names, err := fs.Glob(set.files, "*.sql")
	if err != nil {
		return set, err
	}
	if len(names) == 0 {
		return set, fmt.Errorf("there are no migrations for schema %q", schema)
	}
	for _, name := range names {
		number, _, err := parseName(name)
		if err != nil {
			return set, err
		}
		set.versions = append(set.versions, number)
	}
	return set, nil
}

// schemaFiles shows only one schema's migrations, and those whose names are wrong, so that they are noticed.
type schemaFiles struct {
	fs.FS
	schema string
}

func (f schemaFiles) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		_, schema, err := parseName(e.Name())
		return err == nil && schema != f.schema
	}), err
}

func schemasOf(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	first := map[string]int64{Platform: 0}
	for _, name := range names {
		number, schema, err := parseName(name)
		if err != nil {
			return nil, err
		}
		if known, ok := first[schema]; !ok || number < known {
			first[schema] = number
		}
	}
	return slices.SortedFunc(maps.Keys(first), func(a, b string) int { return int(first[a] - first[b]) }), nil
}

// parseName reads NNNN_<module>_<change>.sql.
func parseName(name string) (number int64, schema string, err error) {
	parts := strings.SplitN(strings.TrimSuffix(name, ".sql"), "_", 3)
	if len(parts) == 3 {
		number, err = strconv.ParseInt(parts[0], 10, 64)
	}
	if len(parts) != 3 || err != nil || number < 1 {
		return 0, "", fmt.Errorf("migration %s is not named NNNN_<module>_<change>.sql", name)
	}
	return number, parts[1], nil
}
