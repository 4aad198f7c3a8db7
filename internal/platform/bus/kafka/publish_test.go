package kafka

import (
	"log/slog"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// A batch whose acknowledgement was lost is sent again and appended once, and the next one follows it.
func TestRepetition(t *testing.T) {
	t.Parallel()

	brokers, prefix := stacktest.Kafka(t)
	k, err := New(Config{Brokers: brokers, Prefix: prefix, Partitions: 3, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	topic := bus.Topic("doors")
	name := prefix + topic
	key := uuid.New()
	tp := k.topic(name)
	require.Eventually(t, func() bool { // a broker that has just made its first topic has no numbers to give yet
		_, _, err := k.prepare(tp, nil)
		return err == nil
	}, 20*time.Second, 100*time.Millisecond)
	for round := range 3 {
		pending, client, err := k.prepare(tp, []bus.Envelope{{Key: key}, {Key: key}})
		require.NoError(t, err)
		require.Len(t, pending, 1)
		for p, chunks := range pending {
			for range 3 {
				require.Empty(t, k.send(t.Context(), client, tp, map[int32]*sarama.RecordBatch{p: tp.batch(p, chunks[0].records)}))
			}
			tp.next[p] += 2
			end, err := client.GetOffset(name, p, sarama.OffsetNewest)
			require.NoError(t, err)
			require.EqualValues(t, 2*(round+1), end)
		}
	}
	client, err := k.connect()
	require.NoError(t, err)
	for round := range 3 {
		for _, err := range k.Publish(t.Context(), topic, []bus.Envelope{{Key: key}, {Key: key}}) {
			require.NoError(t, err)
		}
		var all int64
		for p := range int32(3) {
			end, err := client.GetOffset(name, p, sarama.OffsetNewest)
			require.NoError(t, err)
			all += end
		}
		require.EqualValues(t, 6+2*(round+1), all, "what is new must not be taken for a repetition")
	}
}
