// Package redis keeps the lines of the waiting rooms in Redis, where all instances of the shop find them.
package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/sasapick/shop/internal/queue/internal/app"
)

//go:embed line.lua
var common string

// source is the text of a step: what is common to all, and what it does.
func source(does string) string { return filled(common + does) }

// filled is a text with the numbers that its words stand for.
func filled(text string) string {
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return strings.NewReplacer(
		"PASS", milliseconds(app.PassLife), "SLACK", milliseconds(app.SlotSlack), "RENEW", milliseconds(app.RenewWithin), "SHOWUP", milliseconds(app.ShowUp), "PATIENCE", milliseconds(app.Patience),
		"ABSENT", milliseconds(app.Absent),
		"LEAST", milliseconds(app.LeastPause), "MOST", milliseconds(app.MostPause), "PER", milliseconds(app.PausePerPlace),
		"REGATHER", milliseconds(app.Regather), "STEADY", milliseconds(app.Steady), "NOTED", milliseconds(app.Noted),
		"FIRST", strconv.FormatInt(app.FirstSequence, 10), "RATE", strconv.Itoa(app.SequencesPerMillisecond), "FROM", strconv.FormatInt(app.SequencesFrom.UnixMilli(), 10),
	).Replace(text)
}

// step is something that a line does at once.
type step int

const (
	enter step = iota
	look
	renew
	leave
	call
	count
)

var sources = [...]string{
	// ARGV[8]: until when a pass is held, [9]: the lot, [10] and [11]: the sequence of a ticket, and until when it counted; or 0.
	enter: source(`
local ends = lasts()
if ends and ends - SLACK > now then return {'active', '0', 0, ends - SLACK, 0, '0', now} end
if tonumber(ARGV[8]) > now and now < frozen and not left() then return inside(tonumber(ARGV[8])) end
if ends and not crowded() then return inside(now + PASS) end
local by, pause = called()
if by and now < frozen then return {'proceed', '0', 0, by, pause, '0', now} end
if by then return inside(now + PASS) end
local at = place(ARGV[9])
if not at then
  if not shut() and redis.call('ZCARD', waiting) == 0 and taken() < capacity then return inside(now + PASS) end
  if now < opens and ARGV[9] ~= '0' then
    at = tonumber(ARGV[9])
  elseif ARGV[10] ~= '0' and tonumber(ARGV[11]) > tonumber(known[5]) and now < lost + REGATHER then
    at = tonumber(ARGV[10])
  else
    at = sequence()
  end
  redis.call('ZADD', waiting, at, account)
  at = string.format('%.0f', at)
end
return stand(at)`),

	// ARGV[8]: the lot, or 0.
	look: source(`
local at = place(ARGV[8])
if at then return stand(at) end
local ends = lasts()
if ends then return {'active', '0', 0, ends - SLACK, 0, '0', now} end
local by, pause = called()
if by then return {'proceed', '0', 0, by, pause, '0', now} end
return {}`),

	// ARGV[8]: until when a pass is held.
	renew: source(`
if crowded() then return {} end
if lasts() or tonumber(ARGV[8]) > now and now < frozen and not left() then return inside(now + PASS) end
return {}`),

	// The slot of who is in is nobody's any more, and taken as long as the pass is good.
	leave: source(`
redis.call('ZREM', waiting, account)
redis.call('ZREM', seen, account)
redis.call('ZREM', proceed, account)
local ends = lasts()
if ends then
  redis.call('ZREM', active, account)
  redis.call('ZADD', active, ends, 'left:' .. account)
end
return 1`),

	// ARGV[8]: how many at most. After an absence, in which nobody was called or could ask, everyone has the time to ask again. The pace is a mean of
	// the last while, in which what is older counts for less.
	call: source(`
local most = tonumber(ARGV[8])
if now >= alive + 1000 and redis.call('ZCARD', waiting) + redis.call('ZCARD', proceed) > 0 then
  if now > alive + ABSENT then
    away, back = uncalled, now
    redis.call('HSET', room, 'away', away, 'back', back)
  end
  alive = now
  redis.call('HSET', room, 'alive', alive)
  uncalled = alive
  if alive < back + SHOWUP then uncalled = away end
end
forget(active, now, most)
local missed = forget(proceed, uncalled, most)
local gone = {}
if now >= math.max(back, lost) + REGATHER then gone = forget(seen, now, most) end
if #gone > 0 then redis.call('ZREM', waiting, unpack(gone)) end
local called = 0
local free = 0
local shut = shut()
if not shut then free = math.min(capacity - taken(), most) end
if free > 0 then
  local first = redis.call('ZRANGE', waiting, 0, free - 1)
  called = #first
  if called > 0 then
    local calls = {}
    for i, who in ipairs(first) do
      calls[2 * i - 1], calls[2 * i] = now + SHOWUP, who
    end
    redis.call('ZADD', proceed, unpack(calls))
    redis.call('ZREM', waiting, unpack(first))
    redis.call('ZREM', seen, unpack(first))
  end
end
if shut or called + redis.call('ZCARD', waiting) == 0 then
  redis.call('HDEL', room, 'since')
else
  local paced = redis.call('HMGET', room, 'since', 'calls')
  local since, calls = now, 0
  if paced[1] then
    since, calls = tonumber(paced[1]), tonumber(paced[2]) + called
  else
    redis.call('HSETNX', room, 'pace', string.format('%.6f', capacity * 1000 / (PASS + SLACK)))
  end
  if now - since >= 1000 then
    local pace = calls * 1000 / (now - since)
    pace = pace + (tonumber(redis.call('HGET', room, 'pace')) - pace) * math.exp((since - now) / STEADY)
    redis.call('HSET', room, 'pace', string.format('%.6f', pace))
    since, calls = now, 0
  end
  redis.call('HSET', room, 'since', since, 'calls', calls)
end
return {called, #gone, #missed}`),

	count: source(`
if frozen <= now then frozen = 0 end
return {redis.call('ZCARD', waiting), redis.call('ZCOUNT', proceed, '(' .. uncalled, '+inf'), redis.call('ZCOUNT', active, '(' .. now, '+inf'), redis.call('HGET', room, 'pace') or '0', frozen, now}`),
}

// unbounded lets a step be taken where Redis has no memory left, as it needs hardly any. Who is new is turned away then, and nobody else.
const unbounded = "#!lua flags=allow-oom\n"

// begun notes that what is known may not be all, and returns when that was: later than ARGV[2], the loss that is known of, or the one that another has
// noted since. ARGV[3] is how long ago the line answered last, as far as that is known, or 0: tickets count of places that were kept then.
var begun = redis.NewScript(unbounded + filled(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
local known = redis.call('HMGET', KEYS[1], 'lost', 'alive', 'away', 'back', 'counts')
local before, alive, away = tonumber(known[1] or 0), tonumber(known[2] or 0), tonumber(known[3] or 0)
if before > tonumber(ARGV[2]) then return {before, 0} end
local lost = math.max(now, tonumber(ARGV[2]) + 1)
if alive >= tonumber(known[4] or 0) + SHOWUP then away = alive end
local counts = alive
if alive > 0 and alive == before then
  counts = tonumber(known[5]) -- nobody has called since
elseif tonumber(ARGV[3]) > 0 then
  counts = math.max(alive, now - tonumber(ARGV[3]))
end
if counts == 0 then counts = lost end
if away == 0 then away = lost end
redis.call('HSET', KEYS[1], 'lost', lost, 'alive', lost, 'away', away, 'back', lost + PASS + SLACK, 'counts', counts)
redis.call('HDEL', KEYS[1], 'pace', 'since', 'calls')
return {lost, 1}`))

// MostCalled bounds what one Call may ask for: Lua's unpack takes no more than some thousand values, two for each.
const MostCalled = 1000

// Line is an app.Line. The keys of a room are {room:<name>}:waiting, :seen, :proceed, :active and :room.
//
// A server that began anew, or took the place of another, may have lost something, and does not say so by itself. What tells it is that it has
// no scripts: it has kept them in memory alone since Redis 7. So after a loss was noted a script that is its mark is loaded, and then those of the
// room, which only know a line that has lost nothing since: when it did stands in their text and in the room. Scripts of another version of the shop
// are others, and have the same mark.
type Line struct {
	client redis.UniversalClient
	prefix string
	ahead  func() time.Duration
	steps  []string // their texts
	mu     sync.Mutex
	rooms  map[string]*room
}

var _ app.Line = (*Line)(nil)

// NewLine returns the lines of a Redis, under keys that begin with the prefix. ahead is what is added to the clock of Redis: nil but in tests.
func NewLine(client redis.UniversalClient, prefix string, ahead func() time.Duration) *Line {
	if ahead == nil {
		ahead = func() time.Duration { return 0 }
	}
	return &Line{client: client, prefix: prefix, ahead: ahead, steps: sources[:], rooms: map[string]*room{}}
}

// room is what this instance knows of one.
type room struct {
	key      string
	keys     []string
	scripts  atomic.Pointer[scripts] // nil: none are known yet
	answered atomic.Int64            // when it last did, by a clock of this process; 0: never
	looking  chan struct{}           // held by who looks for others
}

// scripts are the steps of a line that has lost nothing since then.
type scripts struct {
	lost  int64 // by Redis's clock, in milliseconds
	mark  *redis.Script
	steps []*redis.Script
}

func (l *Line) room(name string) *room {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms[name]
	if r == nil {
		key := l.prefix + "{room:" + name + "}:"
		r = &room{key: key, keys: []string{key + "waiting", key + "seen", key + "proceed", key + "active", key + "room"}, looking: make(chan struct{}, 1)}
		l.rooms[name] = r
	}
	return r
}

// since returns the scripts of a room whose line has lost nothing since then.
func (l *Line) since(r *room, lost int64) *scripts {
	name := fmt.Sprintf("-- %q %d\n", r.key, lost)
	s := &scripts{lost: lost, mark: redis.NewScript(unbounded + name + "return 1")}
	for does, text := range l.steps {
		text = name + strings.ReplaceAll(text, "EPOCH", strconv.FormatInt(lost, 10))
		if step(does) != enter {
			text = unbounded + text
		}
		s.steps = append(s.steps, redis.NewScript(text))
	}
	return s
}

// began is when this process did, for [room.answered].
var began = time.Now()

const (
	attempts    = 6           // of a step: other instances may note a loss meanwhile
	beginWithin = time.Second // whoever waits for it: what is begun is brought to its end
)

func (l *Line) run(ctx context.Context, does step, rules app.Rules, account uuid.UUID, more ...any) *redis.Cmd {
	r := l.room(rules.Room)
	args := append([]any{l.ahead().Milliseconds(), account.String(), rules.Capacity, flag(rules.Closed), instant(rules.Opens), instant(rules.Since), flag(rules.Shed)}, more...)
	var told *redis.Cmd
	for range attempts {
		s := r.scripts.Load()
		if s != nil {
			told = s.steps[does].EvalSha(ctx, l.client, r.keys, args...)
			if !redis.HasErrorPrefix(told.Err(), "NOSCRIPT") {
				if told.Err() == nil {
					r.answered.Store(int64(time.Since(began)))
				}
				return told
			}
		}
		if err := l.begin(ctx, r, s); err != nil {
			told = redis.NewCmd(ctx)
			told.SetErr(err)
			return told
		}
	}
	return told
}

// begin finds other scripts than those that the server does not know. Where its mark is there, nothing was lost since the loss that is noted last, and
// only its scripts of this version may be missing. Else something was: that is noted, and only then is loaded what finds it noted.
func (l *Line) begin(ctx context.Context, r *room, unknown *scripts) error {
	select {
	case r.looking <- struct{}{}:
		defer func() { <-r.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.scripts.Load() != unknown {
		return nil // somebody else has just done it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beginWithin)
	defer cancel()
	var had int64
	if unknown != nil {
		had = unknown.lost
	}
	noted, err := l.client.HGet(ctx, r.keys[4], "lost").Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("ask when the line began anew: %w", err)
	}
	s, marked := l.since(r, noted), []bool{false}
	if noted >= had {
		if marked, err = s.mark.Exists(ctx, l.client).Result(); err != nil {
			return fmt.Errorf("ask whether the line began anew: %w", err)
		}
	}
	if !marked[0] {
		var ago int64
		if answered := r.answered.Load(); answered != 0 {
			ago = max((time.Since(began) - time.Duration(answered)).Milliseconds(), 1)
		}
		lost, err := begun.Eval(ctx, l.client, r.keys[4:], l.ahead().Milliseconds(), max(had, noted), ago).Int64Slice()
		if err != nil {
			return fmt.Errorf("note that the line began anew: %w", err)
		}
		if lost[1] == 0 {
			return nil // another has, and has its mark in a moment
		}
		s = l.since(r, lost[0])
		if err := s.mark.Load(ctx, l.client).Err(); err != nil {
			return fmt.Errorf("load the mark of a line: %w", err)
		}
	}
	for _, step := range s.steps {
		if err := step.Load(ctx, l.client).Err(); err != nil {
			return fmt.Errorf("load a script: %w", err)
		}
	}
	r.scripts.Store(s)
	return nil
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// instant is what is since the epoch in milliseconds; of no time 0.
func instant(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(instant int64) time.Time {
	if instant == 0 {
		return time.Time{}
	}
	return time.UnixMilli(instant).UTC()
}

// place reads what a script says of a place: state, sequence, who are ahead, until when, pause, pace, now.
func place(c *redis.Cmd) (app.Place, error) {
	told, err := c.Slice()
	if err != nil {
		return app.Place{}, err
	}
	if len(told) == 0 {
		return app.Place{}, app.ErrNoPlace
	}
	if len(told) != 7 {
		return app.Place{}, fmt.Errorf("a place has seven parts, and not %d", len(told))
	}
	sequence, err := strconv.ParseFloat(told[1].(string), 64) // a score
	if err != nil {
		return app.Place{}, fmt.Errorf("read a sequence: %w", err)
	}
	pace, err := strconv.ParseFloat(told[5].(string), 64)
	if err != nil {
		return app.Place{}, fmt.Errorf("read a pace: %w", err)
	}
	return app.Place{
		State: app.State(told[0].(string)), Sequence: int64(sequence), Ahead: told[2].(int64), Until: timeOf(told[3].(int64)),
		Pause: time.Duration(told[4].(int64)) * time.Millisecond, Pace: pace, At: timeOf(told[6].(int64)),
	}, nil
}

// Enter implements [app.Line].
func (l *Line) Enter(ctx context.Context, r app.Rules, a app.Arrival) (app.Place, error) {
	return place(l.run(ctx, enter, r, a.Account, instant(a.Pass), a.Lot, a.Ticket.Sequence, instant(a.Ticket.Until)))
}

// Look implements [app.Line].
func (l *Line) Look(ctx context.Context, r app.Rules, a app.Arrival) (app.Place, error) {
	return place(l.run(ctx, look, r, a.Account, a.Lot))
}

// Renew implements [app.Line].
func (l *Line) Renew(ctx context.Context, r app.Rules, a app.Arrival) (app.Place, error) {
	return place(l.run(ctx, renew, r, a.Account, instant(a.Pass)))
}

// Leave implements [app.Line].
func (l *Line) Leave(ctx context.Context, r app.Rules, account uuid.UUID) error {
	return l.run(ctx, leave, r, account).Err()
}

// Call implements [app.Line].
func (l *Line) Call(ctx context.Context, r app.Rules, most int) (app.Called, error) {
	told, err := l.run(ctx, call, r, uuid.Nil, min(most, MostCalled)).Int64Slice()
	if err != nil {
		return app.Called{}, err
	}
	return app.Called{Called: told[0], Forgotten: told[1], Missed: told[2]}, nil
}

// Figures implements [app.Line].
func (l *Line) Figures(ctx context.Context, r app.Rules) (app.Figures, error) {
	told, err := l.run(ctx, count, r, uuid.Nil).Slice()
	if err != nil {
		return app.Figures{}, err
	}
	pace, err := strconv.ParseFloat(told[3].(string), 64)
	if err != nil {
		return app.Figures{}, fmt.Errorf("read a pace: %w", err)
	}
	return app.Figures{
		Waiting: told[0].(int64), Proceed: told[1].(int64), Active: told[2].(int64), Pace: pace, Frozen: timeOf(told[4].(int64)), At: timeOf(told[5].(int64)),
	}, nil
}
