package app

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sasapick/shop/internal/catalog/internal/db"
)

// Lag tells how far the projections are behind the truth, of whichever instance keeps them: it reads their places when it is asked.
type Lag struct {
	pool   *pgxpool.Pool
	sql    *db.Queries
	stores []string
	lag    *prometheus.Desc
}

// NewLag returns the collector of the stores' lag.
func NewLag(pool *pgxpool.Pool, stores ...string) *Lag {
	return &Lag{
		pool: pool, sql: db.New(), stores: stores,
		lag: prometheus.NewDesc("shop_catalog_projection_lag_seconds",
			"How long ago that was which a store is known to have of the products; absent until it has had all of them once.", []string{"store"}, nil),
	}
}

// lagWithin is how long the metrics wait for the database.
const lagWithin = time.Second

// Describe implements [prometheus.Collector].
func (l *Lag) Describe(descs chan<- *prometheus.Desc) { descs <- l.lag }

// Collect implements [prometheus.Collector].
func (l *Lag) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lagWithin)
	defer cancel()
	rows, err := l.sql.ProjectionLags(ctx, l.pool)
	if err != nil {
		return // the other metrics are told all the same
	}
	for _, r := range rows {
		if slices.Contains(l.stores, r.Store) { // another one is used no longer
			metrics <- prometheus.MustNewConstMetric(l.lag, prometheus.GaugeValue, r.Seconds, r.Store)
		}
	}
}
