package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/sasapick/shop/internal/platform/bus"
)

const (
	tailFetch  = 64 << 10 // bytes that are read ahead of each partition: there are many
	tailBuffer = 16       // and events
	tailLook   = 5 * time.Second
)

// Tail reads the partitions themselves, on a connection of its own.
func (k *Kafka) Tail(ctx context.Context, t bus.Tail, each func(bus.Envelope) error) error {
	config := *k.sarama
	config.Consumer.Fetch.Default, config.ChannelBufferSize, config.Consumer.Return.Errors = tailFetch, tailBuffer, false
	consumer, err := sarama.NewConsumer(k.config.Brokers, &config)
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	w := &watch{kafka: k, consumer: consumer, live: make(chan *sarama.ConsumerMessage), done: make(chan struct{})}
	defer w.close()
	client, err := sarama.NewClient(k.config.Brokers, &config)
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer func() { _ = client.Close() }()

	missing, streams, err := w.open(ctx, client, k.names(t.Topics), t.Since.UnixMilli())
	if err != nil {
		return err
	}
	if err := bus.Merge(ctx, streams, each); err != nil || !t.Follow {
		return err
	}
	w.follow()
	look := time.NewTicker(tailLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m := <-w.live:
			if err := each(k.decode(m)); err != nil {
				return err
			}
		case <-look.C: // a topic is made with its first event, or with the first group that reads it
			if len(missing) == 0 {
				continue
			}
			if missing, _, err = w.open(ctx, client, missing, sarama.OffsetOldest); err != nil {
				return err
			}
			w.follow()
		}
	}
}

// watch is partitions that are read without a group.
type watch struct {
	kafka    *Kafka
	consumer sarama.Consumer
	opened   []sarama.PartitionConsumer // not yet followed
	live     chan *sarama.ConsumerMessage
	done     chan struct{}
	running  sync.WaitGroup
	all      []sarama.PartitionConsumer
}

// open begins to read the topics at the time, or at the offset where that is negative. It returns the topics that there
// are not, and a stream of each partition up to its present end.
func (w *watch) open(ctx context.Context, client sarama.Client, topics []string, at int64) (missing []string, streams []bus.Stream, err error) {
	for _, topic := range topics {
		there := true
		err := settled(ctx, func() error {
			err := client.RefreshMetadata(topic)
			if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
				there, err = false, nil
			}
			return err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("look for topic %s: %w", topic, err)
		}
		if !there {
			missing = append(missing, topic)
			continue
		}
		partitions, err := client.Partitions(topic)
		if err != nil {
			return nil, nil, fmt.Errorf("look for topic %s: %w", topic, err)
		}
		for _, p := range partitions {
			end, err := offset(ctx, client, topic, p, sarama.OffsetNewest)
			if err != nil {
				return nil, nil, fmt.Errorf("ask for the end of %s/%d: %w", topic, p, err)
			}
			start, err := offset(ctx, client, topic, p, at)
			if err != nil {
				return nil, nil, fmt.Errorf("look for the place in %s/%d: %w", topic, p, err)
			}
			if start < 0 { // there is nothing so new
				start = end
			}
			reader, err := w.consumer.ConsumePartition(topic, p, start)
			if err != nil {
				return nil, nil, fmt.Errorf("read %s/%d: %w", topic, p, err)
			}
			w.all, w.opened = append(w.all, reader), append(w.opened, reader)
			streams = append(streams, w.upTo(reader, start, end))
		}
	}
	return missing, streams, nil
}

// upTo is the events of a partition before its end.
func (w *watch) upTo(reader sarama.PartitionConsumer, next, end int64) bus.Stream {
	return func(ctx context.Context) (bus.Envelope, bool, error) {
		if next >= end {
			return bus.Envelope{}, false, nil
		}
		select {
		case m, ok := <-reader.Messages():
			if !ok {
				return bus.Envelope{}, false, errors.New("the partition cannot be read any more")
			}
			next = m.Offset + 1
			return w.kafka.decode(m), true, nil
		case <-ctx.Done():
			return bus.Envelope{}, false, ctx.Err()
		}
	}
}

// follow brings what comes in the opened partitions to one channel.
func (w *watch) follow() {
	for _, reader := range w.opened {
		w.running.Go(func() {
			for m := range reader.Messages() {
				select {
				case w.live <- m:
				case <-w.done:
					return
				}
			}
		})
	}
	w.opened = nil
}

func (w *watch) close() {
	close(w.done)
	for _, reader := range w.all {
		_ = reader.Close() // ends its channel
	}
	w.running.Wait()
	_ = w.consumer.Close()
}
