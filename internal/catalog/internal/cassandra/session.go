package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"regexp"
	"time"

	"github.com/gocql/gocql"
)

// Config says where the cluster is.
type Config struct {
	Hosts      []string // host or host:port; the others are found through them
	Keyspace   string
	Datacenter string       // whose nodes are asked
	Migrate    bool         // make the keyspace where there is none
	Dialer     gocql.Dialer // nil: the driver's
}

var name = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

func (c Config) check() error {
	if len(c.Hosts) == 0 {
		return errors.New("no host of Cassandra is named")
	}
	if !name.MatchString(c.Keyspace) {
		return fmt.Errorf("%q is no name for a keyspace of Cassandra: letters, digits and _, 48 at most", c.Keyspace)
	}
	return nil
}

const (
	answerWithin = 10 * time.Second // at most: a change of the schema takes seconds on a busy cluster; who reads for shoppers waits far less
	dialWithin   = 5 * time.Second
	tryAgain     = time.Second // after a connection that failed
	agreeWithin  = 10 * time.Second
	mostReplicas = 3
)

func (c Config) cluster() (*gocql.ClusterConfig, *nodes) {
	cluster := gocql.NewCluster(c.Hosts...)
	cluster.Consistency = gocql.LocalQuorum
	cluster.DefaultIdempotence = true // a write carries its own timestamp
	cluster.RetryPolicy = &gocql.SimpleRetryPolicy{NumRetries: 1}
	cluster.Timeout, cluster.ConnectTimeout = answerWithin, dialWithin
	cluster.MaxWaitSchemaAgreement = agreeWithin
	cluster.ReconnectInterval = tryAgain
	cluster.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 1, Interval: tryAgain}
	cluster.Dialer = c.Dialer
	cluster.Logger = log.New(io.Discard, "", 0) // what goes wrong is in the errors
	n := &nodes{HostSelectionPolicy: gocql.TokenAwareHostPolicy(gocql.DCAwareRoundRobinPolicy(c.Datacenter)), up: map[string]bool{}}
	cluster.PoolConfig.HostSelectionPolicy = n
	return cluster, n
}

// session is a session with its nodes.
type session struct {
	*gocql.Session
	nodes *nodes
}

// connection is a session, or the attempt at one. Once made, a session finds its nodes again by itself.
type connection struct {
	done    chan struct{}
	session *session
	err     error
	until   time.Time // an attempt that failed is not repeated before
}

// session returns the session, and makes one where there is none.
func (s *Store) session(ctx context.Context) (*session, error) {
	s.mu.Lock()
	c := s.conn
	if c == nil || c.failed() {
		c = &connection{done: make(chan struct{})}
		s.conn = c
		go func() {
			defer close(c.done)
			c.session, c.err = s.config.connect()
			c.until = time.Now().Add(tryAgain)
		}()
	}
	s.mu.Unlock()
	select {
	case <-c.done:
		return c.session, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("reach Cassandra: %w", context.Cause(ctx))
	}
}

// failed says that it is time for another attempt.
func (c *connection) failed() bool {
	select {
	case <-c.done:
		return c.err != nil && time.Now().After(c.until)
	default:
		return false
	}
}

// Close ends the session.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return
	}
	<-s.conn.done
	if s.conn.session != nil {
		s.conn.session.Close()
	}
}

func (c Config) connect() (*session, error) {
	if c.Migrate {
		if err := c.migrate(); err != nil {
			return nil, err
		}
	}
	cluster, nodes := c.cluster()
	cluster.Keyspace = c.Keyspace
	made, err := cluster.CreateSession()
	if err != nil {
		return nil, fmt.Errorf("reach Cassandra: %w", err)
	}
	return &session{made, nodes}, nil
}

// migrate makes the keyspace with what outlives the generations, unless it is there. It has as many replicas as there are nodes, three at
// most: who wants it otherwise makes it first.
func (c Config) migrate() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*agreeWithin)
	defer cancel()
	cluster, _ := c.cluster()
	session, err := cluster.CreateSession()
	if err != nil {
		return fmt.Errorf("reach Cassandra: %w", err)
	}
	defer session.Close()
	var known string
	err = session.Query(`SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'generations'`, c.Keyspace).
		WithContext(ctx).Consistency(gocql.One).Scan(&known)
	if !errors.Is(err, gocql.ErrNotFound) {
		return err
	}
	there, err := c.count(ctx, session)
	if err != nil {
		return fmt.Errorf("count Cassandra's nodes: %w", err)
	}
	for _, statement := range []string{
		fmt.Sprintf(`CREATE KEYSPACE IF NOT EXISTS %s WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %d}`, c.Keyspace, c.Datacenter, min(there, mostReplicas)),
		`CREATE TABLE IF NOT EXISTS ` + c.Keyspace + `.generations (name text PRIMARY KEY, current text)`,
	} {
		if err := session.Query(statement).WithContext(ctx).Exec(); err != nil {
			return fmt.Errorf("make Cassandra's keyspace: %w", err)
		}
		if err := session.AwaitSchemaAgreement(ctx); err != nil {
			return fmt.Errorf("wait for Cassandra's nodes to know the keyspace: %w", err)
		}
	}
	return nil
}

// count counts the nodes of the data centre.
func (c Config) count(ctx context.Context, session *gocql.Session) (n int, err error) {
	for _, table := range []string{"local", "peers"} {
		rows := session.Query(`SELECT data_center FROM system.` + table).WithContext(ctx).Consistency(gocql.One).Iter()
		var datacenter string
		for rows.Scan(&datacenter) {
			if datacenter == c.Datacenter {
				n++
			}
		}
		if err := rows.Close(); err != nil {
			return 0, err
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("there are none in %s", c.Datacenter)
	}
	return n, nil
}

// Version says which Cassandra answers.
func (s *Store) Version(ctx context.Context) (version string, err error) {
	session, err := s.session(ctx)
	if err != nil {
		return "", err
	}
	if err := session.Query(`SELECT release_version FROM system.local`).WithContext(ctx).Consistency(gocql.One).Scan(&version); err != nil {
		return "", fmt.Errorf("ask Cassandra: %w", err)
	}
	return "Cassandra " + version, nil
}
