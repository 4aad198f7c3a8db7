package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/sasapick/shop/internal/platform/bus"
)

// Trim does nothing: the topics have a retention of their own.
func (k *Kafka) Trim(context.Context, string) error { return nil }

// Abandoned returns nothing: a topic keeps nothing for a group.
func (k *Kafka) Abandoned(context.Context, map[string][]string) ([]bus.Abandoned, error) {
	return nil, nil
}

// Positions asks the brokers for the group's offsets and the ends of its partitions.
func (k *Kafka) Positions(ctx context.Context, group string, topics []string) ([]bus.Position, error) {
	client, err := k.connect()
	if err != nil {
		return nil, err
	}
	admin, err := sarama.NewClusterAdminFromClient(client) // not closed: that would close the client
	if err != nil {
		return nil, fmt.Errorf("reach Kafka's controller: %w", err)
	}
	wanted := map[string][]int32{}
	for _, name := range k.names(topics) {
		if wanted[name], err = client.Partitions(name); err != nil {
			return nil, fmt.Errorf("look for topic %s: %w", name, err)
		}
	}
	offsets, err := admin.ListConsumerGroupOffsets(k.config.Prefix+group, wanted)
	if err != nil {
		return nil, fmt.Errorf("ask for the offsets of %s: %w", group, err)
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return nil, fmt.Errorf("read from Kafka: %w", err)
	}
	var positions []bus.Position
	for i, name := range k.names(topics) {
		for _, p := range wanted[name] {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			end, err := offset(ctx, client, name, p, sarama.OffsetNewest)
			if err != nil {
				return nil, fmt.Errorf("ask for the end of %s/%d: %w", name, p, err)
			}
			oldest, err := offset(ctx, client, name, p, sarama.OffsetOldest)
			if err != nil {
				return nil, fmt.Errorf("ask for the start of %s/%d: %w", name, p, err)
			}
			position := bus.Position{Topic: name, Partition: p, Done: oldest, End: end}
			if block := offsets.GetBlock(name, p); block != nil {
				position.Done = max(block.Offset, oldest) // what the topic has dropped is not left to take
			}
			if position.Done < end {
				if position.Age, err = k.age(ctx, consumer, position); err != nil {
					return nil, err
				}
			}
			position.Topic = topics[i]
			positions = append(positions, position)
		}
	}
	return positions, nil
}

// age reads the first event behind the position. A position that has been passed by what the topic drops has no age.
func (k *Kafka) age(ctx context.Context, consumer sarama.Consumer, at bus.Position) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, k.sarama.Net.DialTimeout)
	defer cancel()
	partition, err := consumer.ConsumePartition(at.Topic, at.Partition, at.Done)
	if errors.Is(err, sarama.ErrOffsetOutOfRange) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s/%d: %w", at.Topic, at.Partition, err)
	}
	defer func() { _ = partition.Close() }()
	select {
	case m, ok := <-partition.Messages():
		if !ok { // what stood there was dropped just now
			return 0, nil
		}
		return max(time.Since(m.Timestamp), 0), nil
	case err, ok := <-partition.Errors():
		if !ok || errors.Is(err, sarama.ErrOffsetOutOfRange) {
			return 0, nil
		}
		return 0, err
	case <-ctx.Done():
		return 0, fmt.Errorf("read %s/%d: %w", at.Topic, at.Partition, ctx.Err())
	}
}
