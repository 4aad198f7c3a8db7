package kafka_test

import (
	"errors"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/bus/bustest"
)

// fake starts brokers that run in this process and fail when told to.
func fake(t testing.TB, options ...kfake.Opt) *kfake.Cluster {
	cluster, err := kfake.NewCluster(append(options, kfake.NumBrokers(1))...)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	return cluster
}

// TestConformanceWithoutKafka runs where there is no real broker.
func TestConformanceWithoutKafka(t *testing.T) {
	t.Parallel()

	bustest.Run(t, adapter(fake(t).ListenAddrs(), ""))
}

// A broker that is away when the shop starts delays the events and stops nothing.
func TestBrokerIsAwayAtStart(t *testing.T) {
	t.Parallel()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().(*net.TCPAddr)
	require.NoError(t, listener.Close())

	w := bustest.NewWorld(t, adapter([]string{address.String()}, ""))
	key := uuid.New()
	w.Publish(w.Next(key), w.Next(key))
	for _, err := range w.Transport.Publish(t.Context(), bus.Topic(w.Source), make([]bus.Envelope, 2)) {
		require.ErrorContains(t, err, "connect to Kafka")
	}
	w.Relay("a", w.Transport)
	w.Consume(w.Transport)
	fake(t, kfake.Ports(address.Port))
	w.EventuallyHeard(2, key)
}

// A broker that goes away and comes back finds everybody again, who had given up on it (medusa#4089, #11633, #14357: events
// are lost with the bus that was to carry them).
func TestBrokerRestarts(t *testing.T) {
	t.Parallel()

	data := t.TempDir()
	cluster := fake(t, kfake.DataDir(data))
	brokers := cluster.ListenAddrs()
	_, port, err := net.SplitHostPort(brokers[0])
	require.NoError(t, err)
	same, err := strconv.Atoi(port)
	require.NoError(t, err)

	w := bustest.NewWorld(t, adapter(brokers, ""))
	w.Relay("a", w.Transport)
	w.Consume(w.Transport)
	key := uuid.New()
	for version := range int64(3) {
		w.Publish(w.Next(key))
		w.EventuallyHeard(version+1, key)
		cluster.Close()
		for range 4 {
			for _, err := range w.Transport.Publish(t.Context(), bus.Topic(w.Source), make([]bus.Envelope, 1)) {
				require.Error(t, err)
			}
		}
		cluster = fake(t, kfake.DataDir(data), kfake.Ports(same))
	}
	w.Publish(w.Next(key))
	w.EventuallyHeard(4, key)
	w.AllHeardOnce()
}

// Whatever a broker answers, nothing is lost, nothing doubled and nothing overtaken.
func TestBrokerFails(t *testing.T) {
	t.Parallel()

	for name, answer := range map[string]func(*kmsg.ProduceRequest) (kmsg.Response, error){
		"ClosesTheConnection": func(*kmsg.ProduceRequest) (kmsg.Response, error) { return nil, errors.New("closed") },
		"HasNoLeader": func(r *kmsg.ProduceRequest) (kmsg.Response, error) {
			return refusal(r, int16(sarama.ErrNotLeaderForPartition)), nil
		},
		"HasTooFewReplicas": func(r *kmsg.ProduceRequest) (kmsg.Response, error) {
			return refusal(r, int16(sarama.ErrNotEnoughReplicas)), nil
		},
		"ForgotTheProducer": func(r *kmsg.ProduceRequest) (kmsg.Response, error) {
			return refusal(r, int16(sarama.ErrOutOfOrderSequenceNumber)), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			cluster := fake(t)
			var asked, failed atomic.Int32
			cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				if asked.Add(1)%7 < 3 || failed.Load() >= 24 { // four times in a row: more than one Publish bears
					return nil, nil, false
				}
				failed.Add(1)
				response, err := answer(r.(*kmsg.ProduceRequest))
				return response, err, true
			})
			w := bustest.NewWorld(t, adapter(cluster.ListenAddrs(), ""))
			w.Relay("a", w.Transport)
			consumers, _ := w.Consume(w.Transport)
			keys := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
			for range 20 {
				w.Publish(w.Next(keys[0]), w.Next(keys[1]), w.Next(keys[2]), w.Next(keys[3]))
				w.Eventually(func() bool { return w.Unpublished() < 8 }, "the relay's keeping up")
			}
			w.EventuallyHeard(20, keys...)
			require.Positive(t, failed.Load())
			positions, err := consumers.Positions(t.Context(), w.Hearer)
			require.NoError(t, err)
			require.Len(t, positions, 3)
		})
	}
}

// refusal answers for every partition of the request with a code.
func refusal(r *kmsg.ProduceRequest, code int16) kmsg.Response {
	response := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range r.Topics {
		t := kmsg.NewProduceResponseTopic()
		t.Topic, t.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode = partition.Partition, code
			t.Partitions = append(t.Partitions, p)
		}
		response.Topics = append(response.Topics, t)
	}
	return response
}

// Who looks at a topic that is being made waits for those who lead its partitions.
func TestLeadersAreStillComing(t *testing.T) {
	t.Parallel()

	cluster := fake(t)
	w := bustest.NewWorld(t, adapter(cluster.ListenAddrs(), ""))
	w.Relay("a", w.Transport)
	consumers, _ := w.Consume(w.Transport)
	key := uuid.New()
	w.Publish(w.Next(key))
	w.EventuallyHeard(1, key)

	const times = 4 // twice as often as sarama asks
	refuse := func(code int16) (refused *atomic.Int32) {
		refused = new(atomic.Int32)
		cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
			if refused.Add(1) > times {
				return nil, nil, false
			}
			cluster.KeepControl()
			return unanswered(r.(*kmsg.ListOffsetsRequest), code), nil, true
		})
		return refused
	}
	for _, code := range []int16{int16(sarama.ErrNotLeaderForPartition), int16(sarama.ErrUnknownTopicOrPartition)} {
		refused, seen := refuse(code), 0
		look := bus.Tail{Topics: []string{bus.Topic(w.Source), "nobody.yet"}, Since: time.Now().Add(-time.Hour)}
		require.NoError(t, w.Transport.Tail(t.Context(), look, func(bus.Envelope) error {
			seen++
			return nil
		}))
		require.Equal(t, 1, seen)
		require.Greater(t, refused.Load(), int32(times))

		refused = refuse(code)
		_, err := consumers.Positions(t.Context(), w.Hearer)
		require.NoError(t, err)
		require.Greater(t, refused.Load(), int32(times))
	}
}

// unanswered answers for every partition of the request with a code.
func unanswered(r *kmsg.ListOffsetsRequest, code int16) kmsg.Response {
	response := r.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, topic := range r.Topics {
		t := kmsg.NewListOffsetsResponseTopic()
		t.Topic = topic.Topic
		for _, partition := range topic.Partitions {
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition, p.ErrorCode = partition.Partition, code
			t.Partitions = append(t.Partitions, p)
		}
		response.Topics = append(response.Topics, t)
	}
	return response
}

// What somebody else wrote to the topic is parked, once, and holds up nobody.
func TestForeignMessage(t *testing.T) {
	t.Parallel()

	brokers := fake(t).ListenAddrs()
	w := bustest.NewWorld(t, adapter(brokers, ""))
	w.Relay("a", w.Transport)
	key := uuid.New()
	w.Publish(w.Next(key)) // makes the topic
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "the topic")

	c := config()
	c.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer(brokers, c)
	require.NoError(t, err)
	defer producer.Close()
	for _, headers := range [][]sarama.RecordHeader{
		nil,
		{{Key: []byte("ce_type"), Value: []byte(w.Type("happened"))}, {Key: []byte("ce_id"), Value: []byte("not an id \x00\xff")}},
	} {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{
			Topic: bus.Topic(w.Source), Value: sarama.ByteEncoder("\x00\xff not JSON"), Headers: headers,
		})
		require.NoError(t, err)
	}

	consumers, stop := w.Consume(w.Transport)
	w.Eventually(func() bool { return w.Parked() == 2 }, "parked messages")
	w.EventuallyHeard(1, key)
	parked, err := consumers.Parking(w.Hearer).List(t.Context(), 0, 10)
	require.NoError(t, err)
	for _, p := range parked {
		require.Equal(t, "\x00\xff not JSON", string(p.Data))
		require.Equal(t, w.Source, p.Source)
	}
	stop()
	require.Equal(t, 2, w.Parked())
}

func TestPartitionsAreFixed(t *testing.T) {
	t.Parallel()

	brokers := fake(t, kfake.SeedTopics(2, "shop.doors")).ListenAddrs()
	for _, err := range open(t, brokers).Publish(t.Context(), "shop.doors", make([]bus.Envelope, 1)) {
		require.ErrorContains(t, err, "2 partitions, not 3")
	}
	admin, err := sarama.NewClusterAdmin(brokers, config())
	require.NoError(t, err)
	defer admin.Close()
	for _, err := range open(t, brokers).Publish(t.Context(), "shop.windows", make([]bus.Envelope, 1)) {
		require.NoError(t, err)
	}
	topics, err := admin.ListTopics()
	require.NoError(t, err)
	require.EqualValues(t, 3, topics["shop.windows"].NumPartitions)
	require.Equal(t, strconv.FormatInt(bus.TopicRetention.Milliseconds(), 10), *topics["shop.windows"].ConfigEntries["retention.ms"])
}
