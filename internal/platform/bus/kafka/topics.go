package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/clock"
)

// names are the brokers' names of topics.
func (k *Kafka) names(topics []string) []string {
	names := make([]string, len(topics))
	for i, topic := range topics {
		names[i] = k.config.Prefix + topic
	}
	return names
}

// ensure makes the topic if there is none, and fails unless it has the partitions that keys are spread over. More than
// that are left alone: somebody has added some, which keys don't use.
//
// It asks the brokers and not the client's memory, for another reason too: a client that has given up on all of its
// brokers, because they were away, only tries them again when it is told to refresh.
func (k *Kafka) ensure(client sarama.Client, name string) error {
	err := client.RefreshMetadata(name)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		if err := k.create(client, name); err != nil {
			return err
		}
		err = client.RefreshMetadata(name)
	}
	if err != nil {
		return fmt.Errorf("look for topic %s: %w", name, err)
	}
	partitions, err := client.Partitions(name)
	if err != nil {
		return fmt.Errorf("look for topic %s: %w", name, err)
	}
	if have := int32(len(partitions)); have < k.config.Partitions {
		return fmt.Errorf("topic %s has %d partitions, not %d: their number is fixed", name, have, k.config.Partitions)
	}
	return nil
}

// create makes the topic as safe as the number of brokers allows.
func (k *Kafka) create(client sarama.Client, name string) error {
	admin, err := sarama.NewClusterAdminFromClient(client) // not closed: that would close the client
	if err != nil {
		return fmt.Errorf("reach Kafka's controller: %w", err)
	}
	brokers := len(client.Brokers())
	retention := strconv.FormatInt(bus.TopicRetention.Milliseconds(), 10)
	// Only whole segments are deleted, so a quiet topic would keep events for longer than the inbox remembers them.
	segment := strconv.FormatInt((6 * time.Hour).Milliseconds(), 10)
	detail := &sarama.TopicDetail{
		NumPartitions:     k.config.Partitions,
		ReplicationFactor: int16(max(1, min(3, brokers))),
		ConfigEntries:     map[string]*string{"retention.ms": &retention, "segment.ms": &segment},
	}
	if brokers >= 3 {
		two := "2"
		detail.ConfigEntries["min.insync.replicas"] = &two
	}
	err = admin.CreateTopic(name, detail, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	return nil
}

// How often, and how long after each other, who leads a partition is asked that is being made, or whose leader changes.
const (
	leaderAsked = 20
	leaderPause = 250 * time.Millisecond
)

// settled asks again while a partition has no leader yet: a new topic is known to some before those who lead its partitions have made them.
func settled(ctx context.Context, ask func() error) error {
	for asked := 1; ; asked++ {
		err := ask()
		if asked == leaderAsked || !unsettled(err) {
			return err
		}
		if stopped := clock.Sleep(ctx, clock.About(leaderPause)); stopped != nil {
			return fmt.Errorf("%w, after %w", stopped, err)
		}
	}
}

func unsettled(err error) bool {
	for _, e := range []error{
		sarama.ErrNotLeaderForPartition, sarama.ErrLeaderNotAvailable, sarama.ErrReplicaNotAvailable, sarama.ErrOffsetNotAvailable, sarama.ErrUnknownTopicOrPartition,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// offset asks who leads a partition for the offset at a time, in milliseconds since 1970, or at [sarama.OffsetOldest] or [sarama.OffsetNewest].
func offset(ctx context.Context, client sarama.Client, topic string, partition int32, at int64) (n int64, err error) {
	err = settled(ctx, func() error {
		n, err = client.GetOffset(topic, partition, at)
		return err
	})
	return n, err
}
