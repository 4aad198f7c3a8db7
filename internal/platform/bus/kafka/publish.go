package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/failpoint"
)

var produceAcked = failpoint.New("bus.kafka.acked") // brokers have acknowledged events, nobody is told

const (
	chunkEvents = 500
	chunkBytes  = 512 << 10 // one event is less than that, and a broker takes 1 MiB
	attempts    = 3
	attemptWait = 100 * time.Millisecond
)

// topic is one that we publish to.
type topic struct {
	name string

	mu          sync.Mutex // one Publish at a time
	ensured     bool
	partitioner sarama.Partitioner
	producer    *sarama.InitProducerIDResponse // nil: a new identity is due
	next        map[int32]int32                // the next sequence number of each partition
}

// chunk is events of one partition that are appended together: their places in Publish's argument.
type chunk struct {
	records []*sarama.Record
	events  []int
}

// Publish appends the events, a batch per partition at a time, and waits for all replicas in sync.
func (k *Kafka) Publish(ctx context.Context, name string, events []bus.Envelope) []error {
	results := make([]error, len(events))
	t := k.topic(k.config.Prefix + name)
	t.mu.Lock()
	defer t.mu.Unlock()

	pending, client, err := k.prepare(t, events)
	if err != nil {
		for i := range results {
			results[i] = err
		}
		return results
	}
	for len(pending) > 0 {
		wave := make(map[int32]*sarama.RecordBatch, len(pending))
		for p, chunks := range pending {
			wave[p] = t.batch(p, chunks[0].records)
		}
		failed := k.send(ctx, client, t, wave)
		if len(failed) < len(wave) {
			produceAcked.Hit()
		}
		for p, chunks := range pending {
			if err := failed[p]; err != nil {
				// Whether it was appended is unknown, so its sequence numbers are not used again: the next Publish has a new
				// identity. What follows in this partition is not sent.
				t.producer, t.ensured = nil, false
				for _, c := range chunks {
					for _, i := range c.events {
						results[i] = &bus.Refusal{Partition: p, Err: err}
					}
				}
				delete(pending, p)
				continue
			}
			t.next[p] += int32(len(chunks[0].events))
			if pending[p] = chunks[1:]; len(pending[p]) == 0 {
				delete(pending, p)
			}
		}
	}
	return results
}

func (k *Kafka) topic(name string) *topic {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.topics[name]
	if t == nil {
		t = &topic{name: name, partitioner: sarama.NewHashPartitioner(name)}
		k.topics[name] = t
	}
	return t
}

// prepare connects where that is due, and sorts the events into chunks by partition.
func (k *Kafka) prepare(t *topic, events []bus.Envelope) (map[int32][]chunk, sarama.Client, error) {
	client, err := k.connect()
	if err != nil {
		return nil, nil, err
	}
	if !t.ensured {
		if err := k.ensure(client, t.name); err != nil {
			return nil, nil, err
		}
		t.ensured = true
	}
	if t.producer == nil {
		producer, err := client.InitProducerID()
		if err == nil && producer.Err != sarama.ErrNoError {
			err = producer.Err
		}
		if err != nil {
			t.ensured = false
			return nil, nil, fmt.Errorf("ask for a producer id: %w", err)
		}
		t.producer, t.next = producer, map[int32]int32{}
	}
	pending := map[int32][]chunk{}
	sizes := map[int32]int{}
	for i, e := range events {
		record, size := encode(e)
		p, err := t.partitioner.Partition(&sarama.ProducerMessage{Key: sarama.ByteEncoder(record.Key)}, k.config.Partitions)
		if err != nil {
			return nil, nil, fmt.Errorf("choose a partition: %w", err)
		}
		chunks := pending[p]
		if n := len(chunks); n == 0 || len(chunks[n-1].events) == chunkEvents || sizes[p]+size > chunkBytes {
			chunks = append(chunks, chunk{})
			sizes[p] = 0
		}
		last := &chunks[len(chunks)-1]
		last.records, last.events = append(last.records, record), append(last.events, i)
		sizes[p] += size
		pending[p] = chunks
	}
	return pending, client, nil
}

// batch numbers the records.
func (t *topic) batch(partition int32, records []*sarama.Record) *sarama.RecordBatch {
	for i, r := range records {
		r.OffsetDelta = int64(i)
	}
	now := time.Now()
	return &sarama.RecordBatch{
		Version:         2,
		FirstTimestamp:  now,
		MaxTimestamp:    now,
		ProducerID:      t.producer.ProducerID,
		ProducerEpoch:   t.producer.ProducerEpoch,
		FirstSequence:   t.next[partition],
		LastOffsetDelta: int32(len(records) - 1),
		Records:         records,
	}
}

// send appends one batch to each partition, several times where that may help, and returns the partitions that failed.
// A repetition has the same numbers, so the broker appends it once.
func (k *Kafka) send(ctx context.Context, client sarama.Client, t *topic, wave map[int32]*sarama.RecordBatch) map[int32]error {
	todo := maps.Clone(wave)
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil { // the lease may be lost
			failed := map[int32]error{}
			for p := range todo {
				failed[p] = ctx.Err()
			}
			return failed
		}
		failed := k.produce(client, t.name, todo)
		if len(failed) == 0 || attempt == attempts {
			return failed
		}
		maps.DeleteFunc(todo, func(p int32, _ *sarama.RecordBatch) bool { return failed[p] == nil })
		timer := time.NewTimer(attemptWait << attempt)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		_ = client.RefreshMetadata(t.name) // the leader may be another one now; if not, the next attempt says what is wrong
	}
}

// produce sends one request to the leader of each partition, to all leaders at once, and returns what failed.
func (k *Kafka) produce(client sarama.Client, name string, batches map[int32]*sarama.RecordBatch) map[int32]error {
	failed := map[int32]error{}
	requests := map[*sarama.Broker]*sarama.ProduceRequest{}
	partitions := map[*sarama.Broker][]int32{}
	for p, batch := range batches {
		leader, err := client.Leader(name, p)
		if err != nil {
			failed[p] = fmt.Errorf("find the leader of %s/%d: %w", name, p, err)
			continue
		}
		if requests[leader] == nil {
			requests[leader] = &sarama.ProduceRequest{Version: 7, RequiredAcks: sarama.WaitForAll, Timeout: 5000}
		}
		requests[leader].AddBatch(name, p, batch)
		partitions[leader] = append(partitions[leader], p)
	}

	var mu sync.Mutex
	var all sync.WaitGroup
	for leader, request := range requests {
		all.Go(func() {
			response, err := leader.Produce(request)
			if err != nil {
				_ = leader.Close() // a broken connection is not used again; the next Leader opens one
			}
			mu.Lock()
			defer mu.Unlock()
			for _, p := range partitions[leader] {
				if err := outcome(response, err, name, p); err != nil {
					failed[p] = fmt.Errorf("append to %s/%d: %w", name, p, err)
				}
			}
		})
	}
	all.Wait()
	return failed
}

// outcome reads what became of one partition's batch.
func outcome(response *sarama.ProduceResponse, err error, name string, partition int32) error {
	if err != nil {
		return err
	}
	block := response.GetBlock(name, partition)
	switch {
	case block == nil:
		return errors.New("the broker did not say")
	case block.Err == sarama.ErrNoError, block.Err == sarama.ErrDuplicateSequenceNumber: // appended, now or by an earlier attempt
		return nil
	}
	return block.Err
}
