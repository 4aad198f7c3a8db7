// Package cassandra keeps the products' documents in Cassandra, for detail reads at any size of the catalogue.
//
// A generation is a table, products_<generation>, and the table generations says which is current. Every write carries the document's
// version as its timestamp, so that of two writes the older never wins, whatever order they come in.
package cassandra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
)

const (
	atOnce    = 64          // queries of one call that are under way together
	lookAgain = time.Second // after which a reader asks anew which generation is current
)

// Store implements app.Store and app.Projection.
type Store struct {
	config Config

	mu   sync.Mutex
	conn *connection // nil: nobody has asked for anything yet

	reading atomic.Pointer[reading]
}

var (
	_ app.Store      = (*Store)(nil)
	_ app.Projection = (*Store)(nil)
)

// reading is the generation that reads go to.
type reading struct {
	generation string
	until      time.Time
}

// New returns the store of a cluster, and connects when it is first asked for something: a Cassandra that is away must not keep the shop
// from starting. Close ends it.
func New(c Config) (*Store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Store{config: c}, nil
}

// Documents implements app.Store.
func (s *Store) Documents(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]app.Document, error) {
	return read(ctx, s, ids, `SELECT doc_version, visible, availability, document FROM %s WHERE id = ?`, func(q *gocql.Query) (d app.Document, err error) {
		var version int64
		var visible bool
		var availability string
		var document []byte
		if err := q.Scan(&version, &visible, &availability, &document); err != nil {
			return d, err
		}
		if visible {
			if err := json.Unmarshal(document, &d); err != nil {
				return d, fmt.Errorf("decode a document: %w", err)
			}
		}
		d.Version, d.Visible, d.Availability = version, visible, catalog.Availability(availability)
		return d, nil
	})
}

// Standings implements app.Store.
func (s *Store) Standings(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]app.Standing, error) {
	return read(ctx, s, ids, `SELECT doc_version, visible, availability FROM %s WHERE id = ?`, func(q *gocql.Query) (st app.Standing, err error) {
		err = q.Scan(&st.Version, &st.Visible, (*string)(&st.Availability))
		return st, err
	})
}

// read reads each product from its own nodes.
func read[T any](ctx context.Context, s *Store, ids []uuid.UUID, statement string, scan func(*gocql.Query) (T, error)) (map[uuid.UUID]T, error) {
	session, table, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	statement = fmt.Sprintf(statement, table)
	var mu sync.Mutex
	found := make(map[uuid.UUID]T, len(ids))
	err = each(ctx, ids, func(ctx context.Context, id uuid.UUID) error {
		one, err := scan(session.Query(statement, gocql.UUID(id)).WithContext(ctx).SetSpeculativeExecutionPolicy(session.nodes))
		if errors.Is(err, gocql.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		found[id] = one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read from Cassandra: %w", known(err))
	}
	return found, nil
}

// each does something for every item, several at once, until one fails.
func each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for _, item := range items {
		all.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, item)
		})
	}
	return all.Wait()
}

// current is the table that reads go to.
func (s *Store) current(ctx context.Context) (*session, string, error) {
	session, err := s.session(ctx)
	if err != nil {
		return nil, "", err
	}
	r := s.reading.Load()
	if r == nil || time.Now().After(r.until) {
		generation, err := s.Current(ctx)
		if err != nil {
			return nil, "", err
		}
		r = s.read(generation)
	}
	if r.generation == "" {
		return nil, "", app.ErrNoGeneration
	}
	return session, table(r.generation), nil
}

func (s *Store) read(generation string) *reading {
	r := &reading{generation: generation, until: time.Now().Add(lookAgain)}
	s.reading.Store(r)
	return r
}

func table(generation string) string { return "products_" + generation }

// PutInto implements app.Projection. The version and the availability stand beside the document and not in it, so that two writes of one
// version cannot disagree within a row.
func (s *Store) PutInto(ctx context.Context, generation string, documents []app.Document) error {
	if len(documents) == 0 {
		return nil
	}
	session, err := s.session(ctx)
	if err != nil {
		return err
	}
	statement := `INSERT INTO ` + table(generation) + ` (id, doc_version, visible, availability, document) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?`
	err = each(ctx, documents, func(ctx context.Context, d app.Document) (err error) {
		standing := d.Standing()
		var document []byte
		lives := 0 // for ever
		if standing.Visible {
			d.Version, d.Availability = 0, ""
			if document, err = json.Marshal(d); err != nil {
				return fmt.Errorf("encode a document: %w", err)
			}
		} else {
			lives = int(app.HiddenFor.Seconds())
		}
		return session.Query(statement,
			gocql.UUID(d.ID), standing.Version, standing.Visible, string(standing.Availability), document, standing.Version, lives,
		).WithContext(ctx).Exec()
	})
	if err != nil {
		return fmt.Errorf("write to Cassandra: %w", known(err))
	}
	return nil
}

// Create implements app.Projection.
func (s *Store) Create(ctx context.Context, generation string) error {
	return s.define(ctx, `CREATE TABLE IF NOT EXISTS `+table(generation)+` (
		id uuid PRIMARY KEY, doc_version bigint, visible boolean, availability text, document blob
	) WITH compaction = {'class': 'LeveledCompactionStrategy'}`) // a read finds a row in one file or two
}

// Drop implements app.Projection.
func (s *Store) Drop(ctx context.Context, generation string) error {
	return s.define(ctx, `DROP TABLE IF EXISTS `+table(generation))
}

func (s *Store) define(ctx context.Context, statement string) error {
	session, err := s.session(ctx)
	if err != nil {
		return err
	}
	if err := session.Query(statement).WithContext(ctx).Exec(); err != nil {
		return fmt.Errorf("change Cassandra's schema: %w", err)
	}
	if err := session.AwaitSchemaAgreement(ctx); err != nil {
		return fmt.Errorf("wait for Cassandra's nodes to know the schema: %w", err)
	}
	return nil
}

// products is the only row of generations.
const products = "products"

// Adopt implements app.Projection.
func (s *Store) Adopt(ctx context.Context, generation string) error {
	session, err := s.session(ctx)
	if err != nil {
		return err
	}
	if err := session.Query(`INSERT INTO generations (name, current) VALUES (?, ?)`, products, generation).WithContext(ctx).Exec(); err != nil {
		return fmt.Errorf("adopt a generation in Cassandra: %w", err)
	}
	s.read(generation)
	return nil
}

// Current implements app.Projection.
func (s *Store) Current(ctx context.Context) (generation string, err error) {
	session, err := s.session(ctx)
	if err != nil {
		return "", err
	}
	err = session.Query(`SELECT current FROM generations WHERE name = ?`, products).WithContext(ctx).Scan(&generation)
	if err != nil && !errors.Is(err, gocql.ErrNotFound) {
		return "", fmt.Errorf("ask Cassandra for its generation: %w", err)
	}
	return generation, nil
}

// Visible implements app.Projection. The order is that of the tokens, and a cursor is one.
func (s *Store) Visible(ctx context.Context, cursor string, limit int) (ids []uuid.UUID, next string, err error) {
	token := int64(math.MinInt64) // nothing has it
	if cursor != "" {
		if token, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", fmt.Errorf("read the cursor: %w", err)
		}
	}
	session, table, err := s.current(ctx)
	if err != nil {
		return nil, "", err
	}
	rows := session.Query(`SELECT token(id), id, visible FROM `+table+` WHERE token(id) > ? LIMIT ?`, token, limit).WithContext(ctx).Iter()
	var id gocql.UUID
	var visible bool
	read := 0
	for ; rows.Scan(&token, &id, &visible); read++ {
		if visible {
			ids = append(ids, uuid.UUID(id))
		}
	}
	if err := rows.Close(); err != nil {
		return nil, "", fmt.Errorf("list what Cassandra has: %w", known(err))
	}
	if read == limit {
		next = strconv.FormatInt(token, 10)
	}
	return ids, next, nil
}

// known says in the port's words that the table is not there.
func known(err error) error {
	var refused gocql.RequestError
	if errors.As(err, &refused) && refused.Code() == gocql.ErrCodeInvalid &&
		(strings.Contains(refused.Message(), "unconfigured table") || strings.Contains(refused.Message(), "does not exist")) { // known here before, or not
		return fmt.Errorf("%w: %w", app.ErrNoGeneration, err)
	}
	return err
}
