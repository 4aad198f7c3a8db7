package app_test

import (
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/pgtest"
)

var superuser struct {
	once sync.Once
	url  string
}

// sabotage runs SQL as the superuser of the shop's database, who may do what the module can't.
func (s shop) sabotage(sql string) {
	s.t.Helper()
	superuser.once.Do(func() { superuser.url = pgtest.URL(s.t) }) // of whichever database: the server is the same
	u, err := url.Parse(superuser.url)
	require.NoError(s.t, err)
	u.Path = "/" + s.pool.Config().ConnConfig.Database
	conn, err := pgx.Connect(s.t.Context(), u.String())
	require.NoError(s.t, err)
	defer conn.Close(s.t.Context())
	_, err = conn.Exec(s.t.Context(), sql)
	require.NoError(s.t, err, sql)
}

// breakTable makes the next statements of that kind on a table fail with a SQLSTATE, n of them; rolled back or not, they are counted.
func (s shop) breakTable(table, event, code string, n int) {
	s.t.Helper()
	s.sabotage(`
		CREATE SEQUENCE IF NOT EXISTS public.failures;
		SELECT setval('public.failures', 1, false);
		CREATE OR REPLACE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
		BEGIN
			IF nextval('public.failures') <= TG_ARGV[0]::bigint THEN RAISE 'sabotage' USING ERRCODE = TG_ARGV[1]; END IF;
			RETURN NEW;
		END $$;
		DROP TRIGGER IF EXISTS sabotage ON payments.` + table + `;
		CREATE TRIGGER sabotage BEFORE ` + event + ` ON payments.` + table + ` FOR EACH ROW EXECUTE FUNCTION public.fail('` + strconv.Itoa(n) + `', '` + code + `');`)
}

// mend undoes breakTable.
func (s shop) mend(table string) { s.sabotage(`DROP TRIGGER sabotage ON payments.` + table) }

// replaced is SQL with its blanks filled in: blank, value, blank, value, …
func replaced(sql string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(sql) }
