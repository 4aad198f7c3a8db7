package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/queue/queuebench"
)

// lines are a short one and a long one, in Redis.
type lines struct {
	Short int `default:"1000" help:"People in the short line."`
	Long  int `default:"1000000" help:"People in the long one."`
}

const (
	pollers   = 64
	promoted  = 10_000
	slowMicro = 500 // what Redis notes as slow while people are called
)

// line is a room in which so many wait.
type line struct {
	room   *queuebench.Room
	people []uuid.UUID
	bytes  float64 // that Redis needs for each
	took   time.Duration
}

// measure fills both, and compares what it costs to ask for a place.
func (l lines) measure(ctx context.Context, w *world, r *report) error {
	if w.settings.Redis == "" {
		return errors.New("lines are measured in Redis: name one with --redis")
	}
	options, err := goredis.ParseURL(w.settings.Redis)
	if err != nil {
		return fmt.Errorf("read the URL of Redis: %w", err)
	}
	options.PoolSize = pollers
	client := goredis.NewClient(options)
	defer func() { _ = client.Close() }()
	prefix := "bench:" + uuid.NewString() + ":"
	defer func() { _ = forget(context.WithoutCancel(ctx), client, prefix) }()

	short, err := stand(ctx, client, prefix, "short", l.Short)
	if err != nil {
		return err
	}
	long, err := stand(ctx, client, prefix, "long", l.Long)
	if err != nil {
		return err
	}
	if err := polls(ctx, r, w.settings, client, prefix, short, long); err != nil {
		return err
	}
	return gateCost(ctx, r, w, client, prefix)
}

// stand has so many people enter a room without a slot.
func stand(ctx context.Context, client *goredis.Client, prefix, name string, people int) (*line, error) {
	l := &line{room: queuebench.NewRoom(client, prefix, name), people: make([]uuid.UUID, people)}
	for i := range l.people {
		l.people[i] = uuid.New()
	}
	before, err := memoryOfRedis(ctx, client)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	var next atomic.Int64
	var entering errgroup.Group
	for range pollers {
		entering.Go(func() error {
			for i := next.Add(1) - 1; i < int64(people); i = next.Add(1) - 1 {
				if err := l.room.Enter(ctx, l.people[i]); err != nil {
					return fmt.Errorf("enter: %w", err)
				}
			}
			return nil
		})
	}
	if err := entering.Wait(); err != nil {
		return nil, err
	}
	l.took = time.Since(begun)
	after, err := memoryOfRedis(ctx, client)
	if err != nil {
		return nil, err
	}
	l.bytes = float64(after-before) / float64(people)
	return l, nil
}

// memoryOfRedis is what Redis has allocated, in bytes.
func memoryOfRedis(ctx context.Context, client *goredis.Client) (int64, error) {
	info, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return 0, fmt.Errorf("ask Redis for its memory: %w", err)
	}
	for _, field := range strings.Fields(info) {
		if bytes, ok := strings.CutPrefix(field, "used_memory:"); ok {
			return strconv.ParseInt(bytes, 10, 64)
		}
	}
	return 0, errors.New("the server does not tell its memory")
}

// forget removes what begins with the prefix, without holding Redis up.
func forget(ctx context.Context, client *goredis.Client, prefix string) error {
	keys := client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := client.Unlink(ctx, keys.Val()).Err(); err != nil {
			return err
		}
	}
	return keys.Err()
}

// polls compares looks into both lines with a script that does nothing, sent by the same client, and then has people called out of the long one
// while others look.
func polls(ctx context.Context, r *report, s settings, client *goredis.Client, prefix string, short, long *line) error {
	look := func(name string, l *line) thing {
		return polling(s, name, func(ctx context.Context, n int) error { return l.room.Look(ctx, l.people[n%len(l.people)]) })
	}
	nothing := goredis.NewScript(`return {'waiting', '1', 0, 0, 0, '0', 0}`)
	keys := make([]string, 5)
	for i := range keys {
		keys[i] = prefix + "{nothing}:" + strconv.Itoa(i)
	}
	if err := nothing.Load(ctx, client).Err(); err != nil {
		return fmt.Errorf("load a script: %w", err)
	}
	account := uuid.NewString()
	raw := polling(s, "EVALSHA of a script that does nothing", func(ctx context.Context, _ int) error {
		return nothing.EvalSha(ctx, client, keys, 0, account, 0, 0, 0, 0).Err()
	})
	fmt.Print("lines ")
	all, err := alternate(ctx, s.Rounds, []thing{
		look(fmt.Sprintf("a look, %s waiting", thousands(float64(len(short.people)))), short),
		look(fmt.Sprintf("a look, %s waiting", thousands(float64(len(long.people)))), long),
		raw,
	})
	if err != nil {
		return err
	}
	called, err := promote(ctx, client, long)
	if err != nil {
		return err
	}
	r.add(table{
		id: "queue-polls", title: "Looks into a line", unit: "looks a second", series: all, columns: latencies,
		targets: []target{
			{fmt.Sprintf("%s waiting ÷ EVALSHA alone ≥ 0.5", thousands(float64(len(long.people)))), all[1], all[2], 0.5},
			{fmt.Sprintf("%s waiting ÷ EVALSHA alone", thousands(float64(len(short.people)))), all[0], all[2], 0},
		},
		limits: []limit{{"p99, the long line ≤ 1.3 × the short one", all[1], all[0], p99Of, 1.3}},
		notes: []string{
			fmt.Sprintf("%d callers, each as soon as it has its answer, through go-redis; the account of a look is the next of all", pollers),
			fmt.Sprintf("one who waits takes %.0f bytes of Redis in the long line, %.0f in the short one; %.0f entered a second", long.bytes, short.bytes, float64(len(long.people))/long.took.Seconds()),
			called,
		},
	})
	return nil
}

// polling asks one after the other.
func polling(s settings, name string, one func(ctx context.Context, n int) error) thing {
	return thing{name, func(ctx context.Context) (sample, error) {
		var next atomic.Int64
		l := load{callers: pollers, caller: func(int) (func(context.Context) error, func(), error) {
			return func(ctx context.Context) error { return one(ctx, int(next.Add(1)-1)) }, nil, nil
		}}
		return l.measure(ctx, s)
	}}
}

// promote calls people in steps as the shop does, while others look, and tells how long Redis was held up by one of the steps.
func promote(ctx context.Context, client *goredis.Client, l *line) (string, error) {
	const threshold = "slowlog-log-slower-than"
	was, err := client.ConfigGet(ctx, threshold).Result()
	if err != nil {
		return "", fmt.Errorf("ask Redis for its settings: %w", err)
	}
	defer client.ConfigSet(context.WithoutCancel(ctx), threshold, was[threshold])
	if err := errors.Join(client.ConfigSet(ctx, threshold, strconv.Itoa(slowMicro)).Err(), client.Do(ctx, "SLOWLOG", "RESET").Err()); err != nil {
		return "", fmt.Errorf("have Redis note what is slow: %w", err)
	}
	looking, stop := context.WithCancel(ctx)
	var looks errgroup.Group
	for n := range pollers / 4 {
		looks.Go(func() error {
			for i := n; looking.Err() == nil; i += pollers {
				if err := l.room.Look(looking, l.people[len(l.people)-1-i%(len(l.people)/2)]); err != nil && looking.Err() == nil {
					return err
				}
			}
			return nil
		})
	}
	begun := time.Now()
	steps := 0
	for called := int64(0); called < promoted; steps++ {
		n, err := l.room.Call(ctx, promoted, queuebench.Calling)
		if err != nil {
			stop()
			return "", errors.Join(fmt.Errorf("call: %w", err), looks.Wait())
		}
		called += n
	}
	took := time.Since(begun)
	stop()
	if err := looks.Wait(); err != nil {
		return "", fmt.Errorf("look meanwhile: %w", err)
	}
	slow, err := client.SlowLogGet(ctx, -1).Result()
	if err != nil {
		return "", fmt.Errorf("ask Redis what was slow: %w", err)
	}
	var longest time.Duration
	for _, entry := range slow {
		longest = max(longest, entry.Duration)
	}
	verdict := "pass"
	if longest > 5*time.Millisecond {
		verdict = "FAIL"
	}
	told := fmt.Sprintf("the longest of anything took %s ms", micros(longest))
	if longest == 0 {
		told = fmt.Sprintf("nothing took %s ms", micros(slowMicro*time.Microsecond))
	}
	return fmt.Sprintf("%s were called in %d steps and %s ms while %d callers looked: %s of Redis's time (≤ 5 ms): %s",
		thousands(promoted), steps, micros(took), pollers/4, told, verdict), nil
}

// gateCost compares an operation that does nothing with the same behind a gate, by one who holds a pass.
func gateCost(ctx context.Context, r *report, w *world, client *goredis.Client, prefix string) error {
	pool, err := pgxpool.New(ctx, w.url)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer pool.Close()
	asking := func(name string, gated bool) (thing, error) {
		o, err := queuebench.NewOrder(ctx, pool, client, prefix, gated)
		if err != nil {
			return thing{}, err
		}
		pass := ""
		return thing{name, func(ctx context.Context) (sample, error) {
			l := load{callers: 1, server: []int{os.Getpid()}, each: 100, caller: func(int) (func(context.Context) error, func(), error) {
				return func(context.Context) error {
					for range 100 {
						request := httptest.NewRequest(http.MethodPost, o.Path, nil)
						request.Header.Set("Authorization", "Bearer "+o.Token)
						if pass != "" {
							request.Header.Set("Queue-Pass", pass)
						}
						answer := httptest.NewRecorder()
						o.ServeHTTP(answer, request)
						if answer.Code != http.StatusNoContent {
							return fmt.Errorf("status %d: %s", answer.Code, answer.Body)
						}
						if renewed := answer.Header().Get("Queue-Pass"); renewed != "" {
							pass = renewed
						}
					}
					return nil
				}, nil, nil
			}}
			return l.measure(ctx, w.settings)
		}}, nil
	}
	bare, err := asking("without a gate", false)
	if err != nil {
		return err
	}
	gate, err := asking("behind the gate, with a pass", true)
	if err != nil {
		return err
	}
	fmt.Print("gate ")
	all, err := alternate(ctx, w.settings.Rounds, []thing{bare, gate})
	if err != nil {
		return err
	}
	var costs []float64
	for i := range all[0].samples {
		costs = append(costs, all[1].samples[i].serverMicros-all[0].samples[i].serverMicros)
	}
	cost, verdict := median(costs), "pass"
	if cost > 30 {
		verdict = "FAIL"
	}
	r.add(table{
		id: "queue-gate", title: "An operation that does nothing, and the gate before it", unit: "requests a second", series: all,
		notes: []string{
			fmt.Sprintf("the gate costs %.1f µs of CPU a request that has a pass (≤ 30 µs): %s", cost, verdict),
			"in process, through the whole middleware, one request after the other; the pass is renewed when it is due",
		},
	})
	return nil
}
