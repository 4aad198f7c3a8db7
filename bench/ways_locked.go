package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/redis"
)

// What this design waits for.
const (
	lockLease = 3 * time.Second
	lockWait  = 3 * time.Second
	lockRetry = 10 * time.Millisecond
)

// unlock deletes the lock only if it is still one's own.
var unlock = goredis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)

// locked gives as many shops do: who wants one is a message, and whoever takes it from the topic locks the giveaway in Redis, reads what
// is left, writes it back less one, and inserts what he gets. The lock ends by itself after three seconds, whoever has it.
type locked struct {
	of       giveaway
	topic    string
	keys     string // how those of the locks begin
	pool     *pgxpool.Pool
	redis    goredis.UniversalClient
	admin    sarama.ClusterAdmin
	producer sarama.AsyncProducer
	consumer sarama.Consumer
	wanted   sarama.PartitionConsumer
	waiting  sync.Map // of a grant's id: chan error
	ended    sync.WaitGroup
}

// byLock is the way of a lock in Redis and a topic with one partition; nil, and why, where one of the two is not there.
func (w *world) byLock(ctx context.Context, g giveaway) (*way, func(), string, error) {
	if w.settings.Redis == "" || len(w.settings.Kafka) == 0 {
		return nil, func() {}, "a lock in Redis, Kafka and a consumer: not measured, for want of a Redis or a Kafka", nil
	}
	l := &locked{of: g, topic: w.name + "." + g.words().id, keys: w.keys() + "lock:"}
	if err := l.open(ctx, w); err != nil {
		l.close()
		return nil, nil, "", err
	}
	return &way{name: "a lock in Redis, Kafka and a consumer", rest: l.pool.Reset, give: l.give}, l.close, "", nil
}

func (l *locked) open(ctx context.Context, w *world) (err error) {
	if l.pool, err = w.openPool(ctx, 2); err != nil {
		return err
	}
	if l.redis, err = redis.Open(w.settings.Redis); err != nil {
		return err
	}
	c := sarama.NewConfig()
	c.Version, c.ClientID = sarama.V4_1_2_0, "bench"
	c.Producer.RequiredAcks = sarama.WaitForAll
	if l.admin, err = sarama.NewClusterAdmin(w.settings.Kafka, c); err != nil {
		return fmt.Errorf("reach Kafka: %w", err)
	}
	if err := l.admin.CreateTopic(l.topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
		return fmt.Errorf("make a topic: %w", err)
	}
	if l.producer, err = sarama.NewAsyncProducer(w.settings.Kafka, c); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if l.consumer, err = sarama.NewConsumer(w.settings.Kafka, c); err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if l.wanted, err = l.consumer.ConsumePartition(l.topic, 0, sarama.OffsetOldest); err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	l.ended.Go(func() {
		for refused := range l.producer.Errors() {
			key, _ := refused.Msg.Key.Encode()
			l.answer(string(key), refused.Err)
		}
	})
	l.ended.Go(func() {
		for m := range l.wanted.Messages() {
			l.answer(string(m.Key), l.handle(context.WithoutCancel(ctx), m.Value))
		}
	})
	return nil
}

// close ends the consumer and takes the topic away.
func (l *locked) close() {
	if l.wanted != nil {
		_ = l.wanted.Close()
	}
	if l.producer != nil {
		l.producer.AsyncClose() // whose errors are read until then
	}
	l.ended.Wait()
	if l.consumer != nil {
		_ = l.consumer.Close()
	}
	if l.admin != nil {
		_ = l.admin.DeleteTopic(l.topic)
		_ = l.admin.Close()
	}
	if l.redis != nil {
		_ = l.redis.Close()
	}
	if l.pool != nil {
		l.pool.Close()
	}
}

// give returns when the rows are in the database, though the shopper of this design is answered before: what counts is what is kept.
func (l *locked) give(ctx context.Context, of uuid.UUID) error {
	g := grantOf(of, uuid.New())
	value, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	key, done := g.ID.String(), make(chan error, 1)
	l.waiting.Store(key, done)
	defer l.waiting.Delete(key)
	select {
	case l.producer.Input() <- &sarama.ProducerMessage{Topic: l.topic, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(value)}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *locked) answer(key string, err error) {
	if done, ok := l.waiting.Load(key); ok {
		done.(chan error) <- err
	}
}

var errNoLock = errors.New("the lock could not be had in time")

func (l *locked) handle(ctx context.Context, value []byte) (err error) {
	var g grant
	if err := json.Unmarshal(value, &g); err != nil {
		return fmt.Errorf("decode a message: %w", err)
	}
	lock, mine := l.keys+g.Of.String(), uuid.NewString()
	for until := time.Now().Add(lockWait); ; {
		had, err := l.redis.SetNX(ctx, lock, mine, lockLease).Result()
		if err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		if had {
			break
		}
		if time.Now().After(until) {
			return errNoLock
		}
		if err := clock.Sleep(ctx, lockRetry); err != nil {
			return err
		}
	}
	defer func() {
		if unlocked := unlock.Run(ctx, l.redis, []string{lock}, mine).Err(); unlocked != nil && err == nil {
			err = fmt.Errorf("unlock: %w", unlocked)
		}
	}()
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error { return l.of.byLock(ctx, tx, g) })
}
