package redis_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/stacktest"
	"github.com/sasapick/shop/internal/queue/internal/app"
	"github.com/sasapick/shop/internal/queue/internal/linetest"
	"github.com/sasapick/shop/internal/queue/internal/redis"
)

func TestLine(t *testing.T) {
	t.Parallel()

	client := stacktest.RedisClient(t, stacktest.Redis(t))
	linetest.Run(t, func(t testing.TB) (app.Line, func(time.Duration)) {
		prefix := "test:" + uuid.NewString() + ":"
		t.Cleanup(func() {
			keys := client.Scan(context.Background(), 0, prefix+"*", 1000).Iterator()
			for keys.Next(context.Background()) {
				require.NoError(t, client.Del(context.Background(), keys.Val()).Err())
			}
			require.NoError(t, keys.Err())
		})
		var ahead atomic.Int64
		return redis.NewLine(client, prefix, func() time.Duration { return time.Duration(ahead.Load()) }), func(d time.Duration) { ahead.Add(int64(d)) }
	})
}

// own starts a Redis for a test, whose clock is ahead by what is added to that, and opens lines of it.
func own(t *testing.T) (server *stacktest.RedisServer, client goredis.UniversalClient, ahead *atomic.Int64, open func() *redis.Line) {
	t.Helper()
	server, ahead = stacktest.OwnRedis(t), new(atomic.Int64)
	client = stacktest.RedisClient(t, server.URL)
	return server, client, ahead, func() *redis.Line {
		return redis.NewLine(client, "test:", func() time.Duration { return time.Duration(ahead.Load()) })
	}
}

// TestTheServerBeginsAnew kills Redis, which comes back with what it had, or without.
func TestTheServerBeginsAnew(t *testing.T) {
	t.Parallel()

	for what, forget := range map[string]bool{"WithItsData": false, "WithoutItsData": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()

			server, _, ahead, open := own(t)
			// Two rooms, and another instance that knows nothing of what this one has noticed.
			line, other, rules := open(), open(), []app.Rules{{Room: "main", Capacity: 1}, {Room: "noon", Capacity: 1}}
			in, waits := uuid.New(), uuid.New()
			tickets := map[string]app.Ticket{}
			for _, r := range rules {
				_, err := line.Call(t.Context(), r, 1)
				require.NoError(t, err)
			}
			ahead.Add(int64(app.PassLife + app.SlotSlack + time.Second))
			var pass time.Time
			for _, r := range rules {
				p, err := line.Enter(t.Context(), r, app.Arrival{Account: in})
				require.NoError(t, err)
				require.Equal(t, app.Active, p.State)
				pass = p.Until
				p, err = other.Enter(t.Context(), r, app.Arrival{Account: waits})
				require.NoError(t, err)
				require.Equal(t, app.Waiting, p.State)
				tickets[r.Room] = app.Ticket{Sequence: p.Sequence, Until: p.Until}
			}

			server.Kill()
			if forget {
				server.Forget()
			}
			server.Start()
			for _, r := range rules {
				newcomer, err := line.Enter(t.Context(), r, app.Arrival{Account: uuid.New()})
				require.NoError(t, err)
				require.Equal(t, app.Waiting, newcomer.State, "somebody may hold a pass that was forgotten")
				p, err := other.Enter(t.Context(), r, app.Arrival{Account: waits, Ticket: tickets[r.Room]})
				require.NoError(t, err)
				require.Zero(t, p.Ahead, "the line goes on in the old order")
				require.Equal(t, tickets[r.Room].Sequence, p.Sequence)
				p, err = line.Renew(t.Context(), r, app.Arrival{Account: in, Pass: pass})
				require.NoError(t, err)
				require.Equal(t, app.PassLife, p.Until.Sub(p.At))
				ahead.Add(int64(app.PassLife - 10*time.Second))
				called, err := other.Call(t.Context(), r, 10)
				require.NoError(t, err)
				require.Zero(t, called.Called)
				ahead.Add(-int64(app.PassLife - 10*time.Second))
			}
			ahead.Add(int64(app.PassLife + app.SlotSlack + time.Second))
			for _, r := range rules {
				called, err := line.Call(t.Context(), r, 10)
				require.NoError(t, err)
				require.EqualValues(t, 1, called.Called)
				p, err := line.Look(t.Context(), r, app.Arrival{Account: waits})
				require.NoError(t, err)
				require.Equal(t, app.Proceed, p.State)
			}
		})
	}
}

// Who was called when the server was killed, and had not come, comes when the line is no longer frozen.
func TestWhoIsCalledComesAfterwards(t *testing.T) {
	t.Parallel()

	server, _, ahead, open := own(t)
	line := open()
	r, who, next := app.Rules{Room: "main"}, uuid.New(), uuid.New()
	for _, account := range []uuid.UUID{who, next} {
		_, err := line.Enter(t.Context(), r, app.Arrival{Account: account})
		require.NoError(t, err)
	}
	ahead.Add(int64(app.PassLife + app.SlotSlack + time.Second))
	r.Capacity = 1
	called, err := line.Call(t.Context(), r, 10)
	require.NoError(t, err)
	require.EqualValues(t, 1, called.Called)

	server.Kill()
	server.Start()
	for range 2 {
		p, err := line.Enter(t.Context(), r, app.Arrival{Account: who})
		require.NoError(t, err)
		require.Equal(t, app.Proceed, p.State, "not yet: another may have the slot")
		require.Positive(t, p.Pause)
		ahead.Add(int64(app.PassLife / 2))
	}
	ahead.Add(int64(app.SlotSlack + app.ShowUp/2))
	called, err = line.Call(t.Context(), r, 10)
	require.NoError(t, err)
	require.Zero(t, called, "the slot is kept for who was called")
	p, err := line.Enter(t.Context(), r, app.Arrival{Account: who})
	require.NoError(t, err)
	require.Equal(t, app.Active, p.State)
}

// Where Redis has no memory left nobody new has a place, and those who have one keep it, are called and come in.
func TestAFullServer(t *testing.T) {
	t.Parallel()

	_, client, ahead, open := own(t)
	line := open()
	rules := app.Rules{Room: "main", Capacity: 1}
	_, err := line.Call(t.Context(), rules, 1)
	require.NoError(t, err)
	ahead.Add(int64(app.PassLife + app.SlotSlack + time.Second))
	in, waits := app.Arrival{Account: uuid.New()}, app.Arrival{Account: uuid.New()}
	for _, a := range []app.Arrival{in, waits} {
		_, err = line.Enter(t.Context(), rules, a)
		require.NoError(t, err)
	}

	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	_, err = line.Enter(t.Context(), rules, app.Arrival{Account: uuid.New()})
	require.ErrorContains(t, err, "OOM")
	_, err = line.Renew(t.Context(), rules, in)
	require.NoError(t, err)
	ahead.Add(int64(app.Noted + time.Second))
	again, err := line.Look(t.Context(), rules, waits)
	require.NoError(t, err)
	require.Equal(t, app.Waiting, again.State)
	require.Greater(t, again.Until.Sub(again.At), app.Patience+app.Noted, "it is noted that it asked")
	ahead.Add(int64(app.SlotSlack))
	called, err := line.Call(t.Context(), rules, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, called.Called)
	came, err := line.Enter(t.Context(), rules, waits)
	require.NoError(t, err)
	require.Equal(t, app.Active, came.State)

	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	next, err := line.Enter(t.Context(), rules, app.Arrival{Account: uuid.New()})
	require.NoError(t, err)
	require.Equal(t, app.Waiting, next.State)
	f, err := line.Figures(t.Context(), rules)
	require.NoError(t, err)
	require.EqualValues(t, []int64{1, 0, 1}, []int64{f.Waiting, f.Proceed, f.Active})
}

// What a server says that forgets everything and goes on, or that takes over again what it had before another did, is not believed.
func TestTheLineIsAnotherOne(t *testing.T) {
	t.Parallel()

	for what, happens := range map[string]func(t *testing.T, client goredis.UniversalClient, room string, before map[string]string){
		"Flushed": func(t *testing.T, client goredis.UniversalClient, _ string, _ map[string]string) {
			require.NoError(t, client.FlushAll(t.Context()).Err())
		},
		"AsItWasBeforeAnotherTookOver": func(t *testing.T, client goredis.UniversalClient, room string, before map[string]string) {
			require.NoError(t, client.Del(t.Context(), room, "test:{room:main}:active").Err())
			require.NoError(t, client.HSet(t.Context(), room, before).Err())
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()

			_, client, ahead, open := own(t)
			line, other, r := open(), open(), app.Rules{Room: "main", Capacity: 1}
			const room = "test:{room:main}:room"
			_, err := line.Figures(t.Context(), r)
			require.NoError(t, err)
			before, err := client.HGetAll(t.Context(), room).Result()
			require.NoError(t, err)
			require.NoError(t, client.HDel(t.Context(), room, "lost").Err()) // another server
			_, err = other.Figures(t.Context(), r)
			require.NoError(t, err)
			_, err = line.Figures(t.Context(), r)
			require.NoError(t, err)
			ahead.Add(int64(app.PassLife + app.SlotSlack + time.Second))
			in, err := line.Enter(t.Context(), r, app.Arrival{Account: uuid.New()})
			require.NoError(t, err)
			require.Equal(t, app.Active, in.State)

			happens(t, client, room, before)
			for _, of := range []*redis.Line{other, line, open()} {
				p, err := of.Enter(t.Context(), r, app.Arrival{Account: uuid.New()})
				require.NoError(t, err)
				require.Equal(t, app.Waiting, p.State, "a pass may be good that is not known any more")
			}
			ahead.Add(int64(app.PassLife + app.SlotSlack + time.Second))
			called, err := line.Call(t.Context(), r, 10)
			require.NoError(t, err)
			require.EqualValues(t, 1, called.Called)
		})
	}
}

// Who waits has the place back by the ticket, however long the server was away with all that it knew.
func TestTheServerIsAwayForLong(t *testing.T) {
	t.Parallel()

	server, _, ahead, open := own(t)
	line, r := open(), app.Rules{Room: "main"}
	first, second := uuid.New(), uuid.New()
	tickets := map[uuid.UUID]app.Ticket{}
	for _, who := range []uuid.UUID{first, second} {
		p, err := line.Enter(t.Context(), r, app.Arrival{Account: who})
		require.NoError(t, err)
		tickets[who] = app.Ticket{Sequence: p.Sequence, Until: p.Until}
	}
	_, err := line.Call(t.Context(), r, 1)
	require.NoError(t, err)
	stale := app.Ticket{Sequence: app.FirstSequence + 1, Until: tickets[first].Until.Add(-time.Hour)}

	server.Kill()
	server.Forget()
	server.Start()
	redis.Away(line, time.Hour)
	ahead.Add(int64(time.Hour))
	_, err = line.Call(t.Context(), r, 1)
	require.NoError(t, err)
	ahead.Add(int64(time.Minute))
	late, err := line.Enter(t.Context(), r, app.Arrival{Account: uuid.New(), Ticket: stale})
	require.NoError(t, err)
	for ahead, who := range []uuid.UUID{first, second} {
		p, err := line.Enter(t.Context(), r, app.Arrival{Account: who, Ticket: tickets[who]})
		require.NoError(t, err)
		require.Equal(t, tickets[who].Sequence, p.Sequence)
		require.EqualValues(t, ahead, p.Ahead)
	}
	require.Greater(t, late.Sequence, tickets[second].Sequence, "an old ticket is no way to the front")
}

// Two versions of the shop, whose scripts differ, share a line: neither takes the other's for a loss.
func TestTwoVersions(t *testing.T) {
	t.Parallel()

	_, _, ahead, open := own(t)
	old, r := open(), app.Rules{Room: "main", Capacity: 100}
	_, err := old.Figures(t.Context(), r)
	require.NoError(t, err)
	ahead.Add(int64(app.PassLife + app.SlotSlack + time.Second))
	next := open()
	redis.Differ(next)
	for range 3 {
		for _, line := range []*redis.Line{old, next} {
			p, err := line.Enter(t.Context(), r, app.Arrival{Account: uuid.New()})
			require.NoError(t, err)
			require.Equal(t, app.Active, p.State)
		}
	}
	f, err := next.Figures(t.Context(), r)
	require.NoError(t, err)
	require.EqualValues(t, 6, f.Active)
}

// Instances that notice a loss one after the other, or at once, keep the tickets that were good before it.
func TestManyNoticeALoss(t *testing.T) {
	t.Parallel()

	server, client, ahead, open := own(t)
	lines, r, who := make([]*redis.Line, 4), app.Rules{Room: "main"}, uuid.New()
	var ticket app.Ticket
	for i := range lines {
		lines[i] = open()
		p, err := lines[i].Enter(t.Context(), r, app.Arrival{Account: who})
		require.NoError(t, err)
		ticket = app.Ticket{Sequence: p.Sequence, Until: p.Until}
	}
	server.Kill()
	server.Forget()
	server.Start()
	ahead.Add(int64(time.Hour))
	var noticing sync.WaitGroup
	for _, line := range lines {
		redis.Away(line, time.Hour)
		noticing.Go(func() {
			_, err := line.Figures(t.Context(), r)
			assert.NoError(t, err)
		})
	}
	noticing.Wait()
	require.NoError(t, client.ScriptFlush(t.Context()).Err()) // and once more
	newcomer, err := lines[0].Enter(t.Context(), r, app.Arrival{Account: uuid.New()})
	require.NoError(t, err)
	p, err := lines[1].Enter(t.Context(), r, app.Arrival{Account: who, Ticket: ticket})
	require.NoError(t, err)
	require.Equal(t, ticket.Sequence, p.Sequence)
	require.Less(t, p.Sequence, newcomer.Sequence)
}
