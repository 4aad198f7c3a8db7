// Package kafka is the bus on Apache Kafka.
//
// An event is a CloudEvent in binary mode: attributes in headers that begin with ce_, JSON as the value, the aggregate's
// id as the key. A topic has a fixed number of partitions, because with their number a key would change its partition
// and lose its order.
//
// Events are appended with sarama's requests and not with its producer: the producer may give up on one batch and then
// send the next of the same partition. Here a partition has one batch on the way at most, all of which is appended or
// none, numbered so that the broker knows a repetition (an idempotent producer), and what follows one that failed is not
// sent.
package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/sasapick/shop/internal/platform/bus"
)

// Config says where Kafka is.
type Config struct {
	Brokers    []string
	ClientID   string                      // zero: shop
	Prefix     string                      // of the names of topics and groups, where several shops share the brokers
	Partitions int32                       // of each topic, fixed for its life; zero: 12
	Parallel   int                         // batches that one group handles at once, each on a connection of its pool; zero: 4
	Configure  func(config *sarama.Config) // nil, or TLS and SASL
	Logger     *slog.Logger
}

// Kafka is the transport. It connects when it is first used, and again whenever it has to.
type Kafka struct {
	config Config
	sarama *sarama.Config
	log    *slog.Logger

	mu     sync.Mutex
	client sarama.Client // nil: not connected
	topics map[string]*topic
}

var _ bus.Transport = (*Kafka)(nil)

// New returns a transport that has not connected yet. [Kafka.Close] ends its connections.
func New(c Config) (*Kafka, error) {
	if len(c.Brokers) == 0 {
		return nil, errors.New("no Kafka broker is configured")
	}
	c.ClientID = cmp.Or(c.ClientID, "shop")
	c.Partitions = cmp.Or(c.Partitions, 12)
	c.Parallel = cmp.Or(c.Parallel, 4)

	s := sarama.NewConfig()
	s.Version = sarama.V4_1_2_0
	s.ClientID = c.ClientID
	s.Net.DialTimeout = 3 * time.Second
	s.Net.ReadTimeout = 20 * time.Second // longer than a rebalance: who joins is answered only after it
	s.Net.WriteTimeout = 5 * time.Second
	s.Net.MaxOpenRequests = 1
	s.Metadata.AllowAutoTopicCreation = false
	s.Metadata.Retry.Max = 1
	s.Metadata.Retry.Backoff = 100 * time.Millisecond
	s.Producer.Idempotent = true
	s.Producer.RequiredAcks = sarama.WaitForAll
	s.Consumer.Return.Errors = true
	s.Consumer.MaxProcessingTime = 2 * time.Second
	s.Consumer.Offsets.Initial = sarama.OffsetOldest
	s.Consumer.Offsets.AutoCommit.Interval = 500 * time.Millisecond // what is taken again after a crash, the inbox absorbs
	s.Consumer.Group.Session.Timeout = 6 * time.Second              // the least that a broker grants unasked: so long a killed instance's partitions wait
	s.Consumer.Group.Heartbeat.Interval = 1500 * time.Millisecond
	s.Consumer.Group.Rebalance.Timeout = 10 * time.Second // a batch that is being handled has landed by then
	if c.Configure != nil {
		c.Configure(s)
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("configure Kafka: %w", err)
	}
	return &Kafka{config: c, sarama: s, log: c.Logger, topics: map[string]*topic{}}, nil
}

// connect returns the client, which keeps itself connected once it has been so.
func (k *Kafka) connect() (sarama.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client != nil && !k.client.Closed() {
		return k.client, nil
	}
	client, err := sarama.NewClient(k.config.Brokers, k.sarama)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	k.client = client
	return client, nil
}

// Close ends the connections. What is published or consumed afterwards connects again.
func (k *Kafka) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == nil || k.client.Closed() {
		return nil
	}
	return k.client.Close()
}
