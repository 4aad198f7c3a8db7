// Package jobs does each module's recurring work on one instance of the shop at a time.
//
// Every job has a lease of its own, job.<name>, so that one that hangs holds up no other. An instance keeps a lease for a
// few minutes and then, when the job is due, leaves that run to whoever asks first, which is another instance if there
// is one. So instances that come later get their share, and nobody has to know how many there are; an instance that is
// alone runs the job a second late, once in those minutes. Nothing is run more often for it. A job may run twice at once for
// a moment (its holder was stopped and woke again), so what it does is decided by compare-and-set on rows, like everything else.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/leases"
)

var (
	runBegun = failpoint.New("jobs.run.begun") // a job is about to run
	runEnded = failpoint.New("jobs.run.ended") // it has run, nothing is noted
)

const turn = 2 * time.Minute // at least half, at most one and a half of it

// Runner runs jobs.
type Runner struct {
	leases *leases.Leases
	jobs   []Job
	log    *slog.Logger
	turn   time.Duration

	runs    *prometheus.CounterVec
	seconds *prometheus.HistogramVec

	mu     sync.Mutex
	status map[string]Status
}

// Status is how a job's last run on this instance went.
type Status struct {
	Job    string
	Leads  bool      // this instance holds the job's lease
	LastAt time.Time // when the last run ended; zero: none has
	LastOK time.Time // when one last succeeded
	Err    error     // of the last run
}

// NewRunner returns a runner of the jobs; their names differ and their intervals are positive. The registerer may be nil.
func NewRunner(l *leases.Leases, r prometheus.Registerer, log *slog.Logger, jobs ...Job) (*Runner, error) {
	with := promauto.With(r)
	runner := &Runner{
		leases: l, jobs: jobs, log: log, turn: turn, status: map[string]Status{},
		runs: with.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_job_runs_total", Help: "Runs of a job on this instance, by outcome: ok, failed.",
		}, []string{"job", "outcome"}),
		seconds: with.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shop_job_seconds", Help: "How long a run of a job takes.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"job"}),
	}
	for _, j := range jobs {
		if _, twice := runner.status[j.Name]; twice || j.Name == "" || j.Every <= 0 || j.Run == nil {
			return nil, fmt.Errorf("the job %q needs a name of its own, an interval and something to run", j.Name)
		}
		runner.status[j.Name] = Status{Job: j.Name}
	}
	return runner, nil
}

// Run blocks until ctx ends, and returns nil then. A job that fails is tried again when it is due next.
func (r *Runner) Run(ctx context.Context) error {
	var all errgroup.Group
	for _, j := range r.jobs {
		all.Go(func() error {
			return r.leases.Hold(ctx, "job."+j.Name, func(ctx context.Context, _ int64) error { return r.lead(ctx, j) })
		})
	}
	if err := all.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// RunOnce runs one job now, whoever holds its lease, and returns what it returned.
func (r *Runner) RunOnce(ctx context.Context, name string) error {
	for _, j := range r.jobs {
		if j.Name == name {
			return r.run(ctx, j)
		}
	}
	return fmt.Errorf("there is no job %q", name)
}

// Status returns how each job is doing on this instance, in the order in which they were given.
func (r *Runner) Status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Status, len(r.jobs))
	for i, j := range r.jobs {
		all[i] = r.status[j.Name]
	}
	return all
}

// lead runs the job again and again while it is this instance's turn. The first run is spread, so that the jobs of a shop
// that starts don't all run at once.
func (r *Runner) lead(ctx context.Context, j Job) error {
	r.note(j.Name, func(s *Status) { s.Leads = true })
	defer r.note(j.Name, func(s *Status) { s.Leads = false })
	ran := false
	timer := time.NewTimer(rand.N(min(j.Every, time.Second)))
	defer timer.Stop()
	for end := time.Now().Add(r.turn/2 + rand.N(r.turn)); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if ran && time.Now().After(end) {
			return leases.ErrYield // the next one runs it at once
		}
		_, ran = r.run(ctx, j), true // an error is logged and kept there
		timer.Reset(j.Every - j.Every/10 + rand.N(j.Every/5+1))
	}
}

// run runs the job once. A panic is an error like any other: the other jobs and the shop go on.
func (r *Runner) run(ctx context.Context, j Job) (err error) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("job %s panicked: %v\n%s", j.Name, p, debug.Stack())
		}
		if err != nil && (ctx.Err() != nil && errors.Is(err, ctx.Err())) {
			return // it was told to stop
		}
		r.seconds.WithLabelValues(j.Name).Observe(time.Since(start).Seconds())
		outcome := "ok"
		if err != nil {
			outcome = "failed"
			r.log.ErrorContext(ctx, "a job failed", "job", j.Name, "error", err)
		}
		r.runs.WithLabelValues(j.Name, outcome).Inc()
		now := time.Now()
		r.note(j.Name, func(s *Status) {
			s.LastAt, s.Err = now, err
			if err == nil {
				s.LastOK = now
			}
		})
	}()
	runBegun.Hit()
	err = j.Run(ctx)
	runEnded.Hit()
	return err
}

func (r *Runner) note(job string, change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status[job]
	change(&s)
	r.status[job] = s
}
