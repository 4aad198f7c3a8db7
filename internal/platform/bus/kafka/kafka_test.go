package kafka_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/bus/bustest"
	"github.com/sasapick/shop/internal/platform/bus/kafka"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// sarama's metrics library keeps one goroutine for the whole process.
func TestMain(m *testing.M) {
	bustest.Child(func(*pgxpool.Pool) bus.Transport {
		k, err := kafka.New(kafka.Config{
			Brokers: strings.Split(os.Getenv(brokersEnv), ","), Prefix: os.Getenv(prefixEnv), Partitions: 3, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
		if err != nil {
			panic(err)
		}
		return k
	})
	bustest.Main(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

func open(t testing.TB, brokers []string) *kafka.Kafka { return openAs(t, brokers, "") }

func openAs(t testing.TB, brokers []string, prefix string) *kafka.Kafka {
	k, err := kafka.New(kafka.Config{
		Brokers: brokers, Prefix: prefix, Partitions: 3,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

const brokersEnv, prefixEnv = "KAFKA_TEST_CHILD_BROKERS", "KAFKA_TEST_CHILD_PREFIX"

// adapter runs against brokers.
func adapter(brokers []string, prefix string) bustest.Adapter {
	return bustest.Adapter{
		Open: func(t testing.TB, _ *pgxpool.Pool) bus.Transport { return openAs(t, brokers, prefix) },
		Rewind: func(t testing.TB, _ *pgxpool.Pool, group, topic string) {
			admin, err := sarama.NewClusterAdmin(brokers, config())
			require.NoError(t, err)
			defer admin.Close()
			require.NoError(t, admin.DeleteConsumerGroup(prefix+group))
		},
		Env: []string{brokersEnv + "=" + strings.Join(brokers, ","), prefixEnv + "=" + prefix}, Points: []string{"bus.kafka.acked"},
	}
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V4_1_2_0
	return c
}

// TestConformance runs on a real broker.
func TestConformance(t *testing.T) {
	t.Parallel()

	bustest.Run(t, adapter(stacktest.Kafka(t)))
}
