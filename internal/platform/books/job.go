package books

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sasapick/shop/internal/platform/jobs"
)

// every is how often the shop audits itself.
const every = 10 * time.Minute

// Jobs are the shop's own audits, on one instance at a time. What is wrong is logged and counted; nothing is mended.
func Jobs(a *Auditor, r prometheus.Registerer, log *slog.Logger) []jobs.Job {
	with := promauto.With(r)
	j := job{
		auditor: a, log: log,
		mismatches: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shop_books_mismatches", Help: "What did not hold of an invariant when this instance audited the books last; 100 means at least that.",
		}, []string{"invariant"}),
		unknown: with.NewGauge(prometheus.GaugeOpts{
			Name: "shop_books_unknown", Help: "Invariants that this instance could not look at when it audited the books last.",
		}),
		checked: with.NewGauge(prometheus.GaugeOpts{
			Name: "shop_books_checked_timestamp", Help: "When this instance last audited the books and could look at every invariant, in Unix seconds; 0: never.",
		}),
	}
	return []jobs.Job{{Name: "books.audit", Every: every, Run: j.run}}
}

type job struct {
	auditor    *Auditor
	log        *slog.Logger
	mismatches *prometheus.GaugeVec
	unknown    prometheus.Gauge
	checked    prometheus.Gauge
}

func (j job) run(ctx context.Context) error {
	report, err := j.auditor.Audit(ctx, Options{})
	if err != nil {
		return err
	}
	for _, l := range report.Items {
		if l.State == Unknown {
			continue // what was known of it last stays
		}
		j.mismatches.WithLabelValues(l.ID).Set(float64(len(l.Wrong)))
		if l.State == Broken {
			j.log.ErrorContext(ctx, "the books do not balance", "invariant", l.ID, "says", l.Says, "mismatches", len(l.Wrong),
				"subject", l.Wrong[0].Subject, "detail", l.Wrong[0].Detail)
		}
	}
	unknown := report.Count(Unknown)
	j.unknown.Set(float64(unknown))
	if unknown > 0 {
		return fmt.Errorf("%d of %d invariants of the books could not be looked at", unknown, len(report.Items))
	}
	j.checked.Set(float64(report.At.Unix()))
	return nil
}
