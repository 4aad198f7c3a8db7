package bus

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// consumerMetrics counts what the groups do, by module.
type consumerMetrics struct {
	events  *prometheus.CounterVec
	retries *prometheus.CounterVec
}

func newConsumerMetrics(r prometheus.Registerer) *consumerMetrics {
	with := promauto.With(r)
	return &consumerMetrics{
		events: with.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_bus_events_total", Help: "Events that a module has taken, by outcome: handled, duplicate, parked.",
		}, []string{"module", "outcome"}),
		retries: with.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_bus_retries_total", Help: "Batches of events that failed because of an outage and were tried again.",
		}, []string{"module"}),
	}
}

func (m *consumerMetrics) count(module string, t taken) {
	m.events.WithLabelValues(module, "handled").Add(float64(t.handled))
	m.events.WithLabelValues(module, "duplicate").Add(float64(t.duplicate))
	m.events.WithLabelValues(module, "parked").Add(float64(t.parked))
}

// relayMetrics says how far the relays that lead here are, by module.
type relayMetrics struct {
	published  *prometheus.CounterVec
	failures   *prometheus.CounterVec
	lagRows    *prometheus.GaugeVec
	lagSeconds *prometheus.GaugeVec
}

func newRelayMetrics(r prometheus.Registerer) *relayMetrics {
	with := promauto.With(r)
	return &relayMetrics{
		published: with.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_outbox_published_total", Help: "Events that the relay has brought to the bus and marked.",
		}, []string{"module"}),
		failures: with.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_outbox_failures_total", Help: "Rounds of the relay that failed and are tried again.",
		}, []string{"module"}),
		lagRows: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shop_outbox_lag_rows", Help: "Events in the outbox that are not yet published; told by the leader.",
		}, []string{"module"}),
		lagSeconds: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shop_outbox_lag_seconds", Help: "Age of the oldest event in the outbox that is not yet published; told by the leader.",
		}, []string{"module"}),
	}
}

// forget drops the gauges of a module that is led elsewhere now.
func (m *relayMetrics) forget(module string) {
	m.lagRows.DeleteLabelValues(module)
	m.lagSeconds.DeleteLabelValues(module)
}
