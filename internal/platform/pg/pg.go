// Package pg opens the shop's PostgreSQL databases, brings their schemas up to date, and says what an error means.
//
// Every session has limits: a statement, a wait for a lock and an idle transaction each end by themselves, so that one
// request that hangs cannot hold a row that everybody needs.
package pg

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

const (
	// DefaultMaxConns bounds a pool that nobody gave a size: seven pools of it, and those of the flights, fit PostgreSQL's own default of 100.
	DefaultMaxConns = 9
	// DefaultAcquireTimeout bounds the wait for a free connection.
	DefaultAcquireTimeout = 3 * time.Second
)

// Config says which database a pool is for. Settings that stand in the URL (statement_timeout=30s) win over the house's.
type Config struct {
	URL            string
	Name           string        // the module; shown in pg_stat_activity as shop.<Name>
	MaxConns       int32         // zero: the URL's pool_max_conns, else DefaultMaxConns
	AcquireTimeout time.Duration // zero: DefaultAcquireTimeout
	Tracer         pgx.QueryTracer
}

// Open connects to a database and returns a pool whose sessions are bounded and whose times are in UTC.
//
// It fails at once if the database does not answer. A caller that waits for a connection longer than
// c.AcquireTimeout gets ErrExhausted.
func Open(ctx context.Context, c Config) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL for %s: %w", c.Name, err)
	}
	parameters := config.ConnConfig.RuntimeParams
	for name, value := range map[string]string{
		"application_name":                    "shop." + c.Name,
		"statement_timeout":                   "5s",
		"lock_timeout":                        "2s",
		"idle_in_transaction_session_timeout": "2s",
		"tcp_user_timeout":                    "5s",
		"timezone":                            "UTC",
	} {
		parameters[name] = cmp.Or(parameters[name], value)
	}
	config.ConnConfig.DialFunc = dial
	config.ConnConfig.ConnectTimeout = cmp.Or(config.ConnConfig.ConnectTimeout, 5*time.Second)
	switch {
	case c.MaxConns > 0:
		config.MaxConns = c.MaxConns
	case !sized(c.URL):
		config.MaxConns = DefaultMaxConns
	}
	config.MaxConnLifetimeJitter = 10 * time.Minute
	config.PingTimeout = 2 * time.Second
	limit := acquireLimit{timeout: cmp.Or(c.AcquireTimeout, DefaultAcquireTimeout)}
	config.ConnConfig.Tracer = limit
	if c.Tracer != nil {
		config.ConnConfig.Tracer = multitracer.New(c.Tracer, limit)
	}
	config.AfterConnect, config.PrepareConn = registerTypes, plan

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database of %s: %w", c.Name, err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("reach the database of %s: %w", c.Name, err)
	}
	return pool, nil
}

// registerTypes makes a timestamptz arrive in UTC, where pgx gives the machine's zone, and sends a uuid.UUID in binary, where
// pgx goes through its text: in a flight of hundreds of ids that was half of the client's work.
func registerTypes(_ context.Context, conn *pgx.Conn) error {
	pgxuuid.Register(conn.TypeMap())
	timestamptz := &pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	}
	conn.TypeMap().RegisterType(timestamptz)
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "_timestamptz", OID: pgtype.TimestamptzArrayOID,
		Codec: &pgtype.ArrayCodec{ElementType: timestamptz},
	})
	return nil
}
