package kafka_test

import (
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/bus/bustest"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// TestBrokerKilled kills the real broker with kill -9 under load, twice. It runs alone and only where it is told how: in
// SHOP_TEST_KAFKA_KILL and SHOP_TEST_KAFKA_START, two shell commands beside SHOP_TEST_KAFKA_BROKERS.
//
// medusa#4089, #11633, #14357: after a restart of the bus, what was published and what was delivered are not the same.
func TestBrokerKilled(t *testing.T) {
	kill, start := os.Getenv("SHOP_TEST_KAFKA_KILL"), os.Getenv("SHOP_TEST_KAFKA_START")
	if kill == "" || start == "" {
		t.Skip("SHOP_TEST_KAFKA_KILL and SHOP_TEST_KAFKA_START are not set")
	}
	shell := func(command string) {
		out, err := exec.Command("bash", "-c", command).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	w := bustest.NewWorld(t, adapter(stacktest.Kafka(t)))
	for _, holder := range []string{"a", "b"} {
		instance := w.Instance()
		w.Relay(holder, instance)
		w.Consume(instance)
	}
	heard := func() int { return w.Int(`SELECT count(*) FROM ` + w.Hearer + `.heard`) }

	const writers, keysEach, rounds, each = 4, 8, 100, 1
	keys := make([]uuid.UUID, writers*keysEach)
	for i := range keys {
		keys[i] = uuid.New()
	}
	for phase := range 3 {
		before := heard()
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				for range rounds {
					var events []bustest.Event
					for _, key := range keys[i*keysEach : (i+1)*keysEach] {
						for range each {
							events = append(events, w.Next(key))
						}
					}
					w.Publish(events...)
				}
			})
		}
		if phase < 2 {
			w.Eventually(func() bool { return heard() > before+100 }, "the first events of phase %d", phase)
			shell(kill)
			t.Logf("killed: %d events are published or on their way, %d not yet, %d are heard", w.Int(`SELECT count(*) FROM `+w.Source+`.outbox`)-w.Unpublished(), w.Unpublished(), heard())
		}
		all.Wait() // nobody who writes needs the broker
		if phase < 2 {
			shell(start)
		}
	}
	w.EventuallyHeard(3*rounds*each, keys...)
	w.AllHeardOnce()
	require.Zero(t, w.Parked())
	w.Eventually(func() bool { return w.Unpublished() == 0 }, "marks")
}
