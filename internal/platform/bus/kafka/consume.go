package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/platform/bus"
)

// Consume joins the group and handles the partitions that it is given.
func (k *Kafka) Consume(ctx context.Context, g *bus.Group) (err error) {
	client, err := k.connect()
	if err != nil {
		return err
	}
	topics := k.names(g.Topics)
	for _, name := range topics { // a group doesn't see topics that are made later
		if err := k.ensure(client, name); err != nil {
			return err
		}
	}
	own := *k.sarama // a strategy keeps what it plans: two groups that balance at once must not share it
	own.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
	group, err := sarama.NewConsumerGroup(k.config.Brokers, k.config.Prefix+g.Name, &own)
	if err != nil {
		return fmt.Errorf("join %s: %w", g.Name, err)
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for err := range group.Errors() {
			k.log.WarnContext(ctx, "trouble with a consumer group", "group", g.Name, "error", err)
		}
	}()
	defer func() {
		if closed := group.Close(); closed != nil && err == nil {
			err = fmt.Errorf("leave %s: %w", g.Name, closed)
		}
		<-logged
	}()

	g.Limit(k.config.Parallel)
	for ctx.Err() == nil { // once around for each rebalancing
		if err := group.Consume(ctx, topics, claims{k, g}); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("consume as %s: %w", g.Name, err)
		}
	}
	return ctx.Err()
}

// claims handles the partitions of one group, each in its goroutine.
type claims struct {
	kafka *Kafka
	group *bus.Group
}

func (c claims) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (c claims) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim handles batches until the partition is taken away. The offset is marked after the commit: if we die
// between the two, the events come again and the inbox knows them.
func (c claims) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	ctx := session.Context()
	for {
		messages := first(ctx, claim.Messages())
		if len(messages) == 0 {
			return nil
		}
		var events []bus.Envelope
		_, err := c.group.Take(ctx, func(context.Context, pgx.Tx) ([]bus.Envelope, error) {
			messages = more(messages, claim.Messages()) // those that have come while others failed show whose fault that was
			for _, m := range messages[len(events):] {
				events = append(events, c.kafka.decode(m))
			}
			return events, nil
		}, nil)
		if err != nil { // the partition is somebody else's now, and so are these events
			return nil
		}
		session.MarkMessage(messages[len(messages)-1], "")
	}
}

// first waits for a message. Empty: there is no more.
func first(ctx context.Context, from <-chan *sarama.ConsumerMessage) (messages []*sarama.ConsumerMessage) {
	select {
	case m, ok := <-from:
		if !ok {
			return nil
		}
		messages = append(messages, m)
	case <-ctx.Done():
		return nil
	}
	return messages
}

// more adds what has come, up to a batch.
func more(messages []*sarama.ConsumerMessage, from <-chan *sarama.ConsumerMessage) []*sarama.ConsumerMessage {
	for len(messages) < bus.BatchSize {
		select {
		case m, ok := <-from:
			if !ok {
				return messages
			}
			messages = append(messages, m)
		default:
			return messages
		}
	}
	return messages
}
