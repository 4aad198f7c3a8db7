package app_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/cassandra"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// onCassandra is a shop whose instances read details from Cassandra, in a keyspace of its own and through a line that can fail.
func onCassandra(t *testing.T) (*shop, *cassandra.Store, *line) {
	t.Helper()
	hosts, keyspace := stacktest.Cassandra(t)
	l := newLine()
	store, err := cassandra.New(cassandra.Config{Hosts: hosts, Keyspace: keyspace, Datacenter: "datacenter1", Migrate: true, Dialer: l})
	require.NoError(t, err)
	t.Cleanup(func() {
		l.mend()
		store.Close()
	})
	s := setup(t)
	for i := range s.instances {
		s.instances[i] = s.instance(func(p *app.Parts) { p.Store = store })
	}
	return s, store, l
}

func TestDetailsOnCassandra(t *testing.T) {
	t.Parallel()

	// plant puts a document into Cassandra that the truth does not know: who shows it has read it there.
	plant := func(s *shop, store *cassandra.Store, id uuid.UUID, version int64) {
		s.t.Helper()
		current, err := store.Current(s.t.Context())
		require.NoError(s.t, err)
		documents, err := app.NewTruth(s.pool).Documents(s.t.Context(), []uuid.UUID{id})
		require.NoError(s.t, err)
		d := documents[id]
		d.Name, d.Version = "심은 것", version
		require.NoError(s.t, store.PutInto(s.t.Context(), current, []app.Document{d}))
	}

	t.Run("ReadsThem", func(t *testing.T) {
		t.Parallel()

		s, store, _ := onCassandra(t)
		id := s.product(20)
		require.Equal(t, "나이키 러닝 운동화", s.detail(1, id).Name, "before there is a generation the truth answers")
		p := s.projector(store)
		s.project(p)
		s.equal(p)
		plant(s, store, id, 1000)
		require.Equal(t, "심은 것", s.detail(0, id).Name)
		require.Zero(t, s.detail(0, uuid.New()))
	})

	t.Run("WhoChangesItSeesItBeforeTheProjector", func(t *testing.T) {
		t.Parallel()

		s, store, _ := onCassandra(t)
		id := s.product(20)
		p := s.projector(store)
		s.project(p)
		s.detail(0, id)
		old := s.detail(1, id)
		s.price(id, 1000)
		require.EqualValues(t, 1000, s.detail(0, id).PriceWon)
		s.clock.Advance(time.Second)
		require.EqualValues(t, 1000, s.detail(0, id).PriceWon, "it does not go back to what Cassandra has")
		require.Equal(t, old.PriceWon, s.detail(1, id).PriceWon)
		s.project(p)
		require.EqualValues(t, 1000, s.detail(1, id).PriceWon)

		_, err := s.service().ActOnProduct(s.ctx, id, "hide", "")
		require.NoError(t, err)
		require.Zero(t, s.detail(0, id))
		s.clock.Advance(time.Second)
		require.Zero(t, s.detail(0, id))
		require.NotZero(t, s.detail(1, id))
		s.project(p)
		require.Zero(t, s.detail(1, id))
	})

	// Stock is in a version that its document gets later, and Cassandra has the one of now with what was there before.
	t.Run("WhoMovesItsStockSeesItBeforeTheProjector", func(t *testing.T) {
		t.Parallel()

		s, store, _ := onCassandra(t)
		id, other := s.product(20), s.product(20)
		require.NoError(t, s.service().PublishChanges(t.Context()))
		p := s.projector(store)
		s.project(p)
		for n, availability := range []catalog.Availability{catalog.SoldOut, catalog.InStock, catalog.SoldOut} {
			require.NotZero(t, s.detail(n%2, id))
			for _, product := range []uuid.UUID{id, other} { // one is known to have been looked at, the other perhaps not
				s.move(product, app.KindAdjust, []int64{-20, 20}[n%2])
				require.Equal(t, availability, s.detail(0, product).Availability)
			}
			s.clock.Advance(time.Second)
			require.NoError(t, p.Run(t.Context()))
			require.Equal(t, availability, s.detail(0, id).Availability, "it does not go back to what Cassandra has")
			s.project(p)
			require.Equal(t, availability, s.detail(0, id).Availability)
			require.Equal(t, availability, s.detail(1, id).Availability)
		}
		plant(s, store, id, 1000)
		s.clock.Advance(time.Second)
		require.Equal(t, "심은 것", s.detail(0, id).Name, "Cassandra is read again")
	})

	for what, fail := range map[string]func(l *line){"Away": (*line).cut, "Slow": (*line).stall} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()

			s, store, l := onCassandra(t)
			ids := []uuid.UUID{s.product(20), s.product(20), s.product(20)}
			p := s.projector(store)
			s.project(p)
			for _, id := range ids {
				require.NotZero(t, s.detail(1, id))
			}

			fail(l)
			for n := range 4 {
				for i, id := range ids {
					won := int64(1000*n + i)
					s.price(id, won)
					s.clock.Advance(time.Second)
					require.EqualValues(t, won, s.detail(0, id).PriceWon)
					require.EqualValues(t, won, s.detail(1, id).PriceWon, "details go on, from the truth")
				}
				require.Error(t, p.Run(t.Context()))
			}
			later := s.product(20)
			require.NotZero(t, s.detail(1, later))

			l.mend()
			await(t, "Cassandra has caught up", func() bool {
				require.NoError(t, s.service().PublishChanges(t.Context()))
				s.clock.Advance(time.Second)
				return p.Run(t.Context()) == nil
			})
			s.equal(p)
			plant(s, store, later, 1000)
			await(t, "details are read from Cassandra again", func() bool {
				s.clock.Advance(time.Second)
				return s.detail(1, later).Name == "심은 것"
			})
		})
	}
}

// line is how one gets to an engine, until it is cut or stalls.
type line struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
	down  bool
	flows chan struct{} // closed: what the engine says gets through
}

func newLine() *line {
	l := &line{conns: map[net.Conn]bool{}, flows: make(chan struct{})}
	close(l.flows)
	return l
}

// DialContext implements gocql.Dialer.
func (l *line) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, errors.New("the line is cut")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &lined{Conn: conn, line: l}
	l.conns[c] = true
	return c, nil
}

// cut ends all connections, and there are no new ones.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for c := range l.conns {
		_ = c.Close()
	}
	clear(l.conns)
}

// stall keeps back what the engine says.
func (l *line) stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flows = make(chan struct{})
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
	select {
	case <-l.flows:
	default:
		close(l.flows)
	}
}

type lined struct {
	net.Conn
	line *line
}

func (c *lined) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.line.mu.Lock()
	flows := c.line.flows
	c.line.mu.Unlock()
	<-flows
	return n, err
}
