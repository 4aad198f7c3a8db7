package kafka

import (
	"context"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/sasapick/shop/internal/platform/bus"
)

// Trim does nothing: the topics have a retention of their own.
func (k *Kafka) Trim(context.Context, string) error { return nil }

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
	for _, name := range topics {
		if wanted[name], err = client.Partitions(name); err != nil {
			return nil, fmt.Errorf("look for topic %s: %w", name, err)
		}
	}
	offsets, err := admin.ListConsumerGroupOffsets(group, wanted)
	if err != nil {
		return nil, fmt.Errorf("ask for the offsets of %s: %w", group, err)
	}
	var positions []bus.Position
	for _, name := range topics {
		for _, p := range wanted[name] {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			end, err := client.GetOffset(name, p, sarama.OffsetNewest)
			if err != nil {
				return nil, fmt.Errorf("ask for the end of %s/%d: %w", name, p, err)
			}
			done := int64(0)
			if block := offsets.GetBlock(name, p); block != nil && block.Offset >= 0 {
				done = block.Offset
			} else if done, err = client.GetOffset(name, p, sarama.OffsetOldest); err != nil {
				return nil, fmt.Errorf("ask for the start of %s/%d: %w", name, p, err)
			}
			positions = append(positions, bus.Position{Topic: name, Partition: p, Done: done, End: end})
		}
	}
	return positions, nil
}
