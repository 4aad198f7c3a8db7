// Package redis keeps the lines of the waiting rooms in Redis, where all instances of the shop find them.
package redis

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/sasapick/shop/internal/queue/internal/app"
)

//go:embed line.lua
var common string

// source is the text of a step: what is common to all, and what it does.
func source(does string) string {
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return strings.NewReplacer(
		"PASS", milliseconds(app.PassLife), "SLACK", milliseconds(app.SlotSlack), "RENEW", milliseconds(app.RenewWithin), "SHOWUP", milliseconds(app.ShowUp), "PATIENCE", milliseconds(app.Patience),
		"LEAST", milliseconds(app.LeastPause), "MOST", milliseconds(app.MostPause), "PER", milliseconds(app.PausePerPlace),
		"REGATHER", milliseconds(app.Regather), "STEADY", milliseconds(app.Steady), "NOTED", milliseconds(app.Noted),
		"FIRST", strconv.FormatInt(app.FirstSequence, 10), "RATE", strconv.Itoa(app.SequencesPerMillisecond), "FROM", strconv.FormatInt(app.SequencesFrom.UnixMilli(), 10),
	).Replace(common + does)
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
if tonumber(ARGV[8]) > now and now < frozen then return inside(tonumber(ARGV[8])) end
if ends and not crowded() then return inside(now + PASS) end
local by, pause = called()
if by and now < frozen then return {'proceed', '0', 0, by, pause, '0', now} end
if by then return inside(now + PASS) end
local at = redis.call('ZSCORE', waiting, account)
if not at then
  if not shut() and redis.call('ZCARD', waiting) == 0 and taken() < capacity then return inside(now + PASS) end
  if ARGV[10] ~= '0' and tonumber(ARGV[11]) > lost and now < lost + REGATHER then
    at = tonumber(ARGV[10])
  elseif now < opens and ARGV[9] ~= '0' then
    at = tonumber(ARGV[9])
  else
    at = sequence()
  end
  redis.call('ZADD', waiting, at, account)
  at = string.format('%.0f', at)
end
return stand(at)`),

	look: source(`
local at = redis.call('ZSCORE', waiting, account)
if at then return stand(at) end
local ends = lasts()
if ends then return {'active', '0', 0, ends - SLACK, 0, '0', now} end
local by, pause = called()
if by then return {'proceed', '0', 0, by, pause, '0', now} end
return {}`),

	// ARGV[8]: until when a pass is held.
	renew: source(`
if crowded() then return {} end
if lasts() or tonumber(ARGV[8]) > now and now < frozen then return inside(now + PASS) end
return {}`),

	// The slot of who is in is nobody's any more, and taken as long as the pass is good.
	leave: source(`
redis.call('ZREM', waiting, account)
redis.call('ZREM', seen, account)
redis.call('ZREM', proceed, account)
local ends = lasts()
if ends then
  redis.call('ZREM', active, account)
  redis.call('ZADD', active, ends, 'left:' .. account .. ':' .. now)
end
return 1`),

	// ARGV[8]: how many at most. The pace is a mean of the last while, in which what is older counts for less.
	call: source(`
local most = tonumber(ARGV[8])
forget(active, now, most)
local missed = forget(proceed, uncalled, most)
local gone = forget(seen, now, most)
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

// begun notes that what is known may not be all.
var begun = redis.NewScript(unbounded + `
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'lost', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1]))
redis.call('HDEL', KEYS[1], 'pace', 'since', 'calls')
return 1`)

// MostCalled bounds what one Call may ask for: Lua's unpack takes no more than some thousand values, two for each.
const MostCalled = 1000

// Line is an app.Line. The keys of a room are {room:<name>}:waiting, :seen, :proceed, :active and :room.
//
// A server that began anew, or took the place of another, may have lost something, and does not say so by itself. What tells it is that it has
// no scripts: it has kept them in memory alone since Redis 7. So each room has scripts of its own, which are loaded after the loss was noted.
type Line struct {
	client redis.UniversalClient
	prefix string
	ahead  func() time.Duration
	rooms  sync.Map // of name to *scripts
}

var _ app.Line = (*Line)(nil)

// NewLine returns the lines of a Redis, under keys that begin with the prefix. ahead is what is added to the clock of Redis: nil but in tests.
func NewLine(client redis.UniversalClient, prefix string, ahead func() time.Duration) *Line {
	if ahead == nil {
		ahead = func() time.Duration { return 0 }
	}
	return &Line{client: client, prefix: prefix, ahead: ahead}
}

// scripts are the steps of one room.
type scripts struct {
	keys  []string
	steps []*redis.Script
}

func (l *Line) scripts(room string) *scripts {
	if known, ok := l.rooms.Load(room); ok {
		return known.(*scripts)
	}
	key := l.prefix + "{room:" + room + "}:"
	s := &scripts{keys: []string{key + "waiting", key + "seen", key + "proceed", key + "active", key + "room"}}
	for does, text := range sources {
		text = "-- " + strconv.Quote(key) + "\n" + text
		if step(does) != enter {
			text = unbounded + text
		}
		s.steps = append(s.steps, redis.NewScript(text))
	}
	known, _ := l.rooms.LoadOrStore(room, s)
	return known.(*scripts)
}

func (l *Line) run(ctx context.Context, does step, r app.Rules, account uuid.UUID, more ...any) *redis.Cmd {
	s := l.scripts(r.Room)
	args := append([]any{l.ahead().Milliseconds(), account.String(), r.Capacity, flag(r.Closed), instant(r.Opens), instant(r.Since), flag(r.Shed)}, more...)
	told := s.steps[does].EvalSha(ctx, l.client, s.keys, args...)
	if !redis.HasErrorPrefix(told.Err(), "NOSCRIPT") {
		return told
	}
	if err := l.begin(ctx, s); err != nil {
		told.SetErr(err)
		return told
	}
	return s.steps[does].EvalSha(ctx, l.client, s.keys, args...)
}

// begin notes the loss, and only then loads what finds it noted. Whoever else does it meanwhile notes it again.
func (l *Line) begin(ctx context.Context, s *scripts) error {
	if err := begun.Eval(ctx, l.client, s.keys[4:], l.ahead().Milliseconds()).Err(); err != nil {
		return fmt.Errorf("note that the line began anew: %w", err)
	}
	for _, step := range s.steps {
		if err := step.Load(ctx, l.client).Err(); err != nil {
			return fmt.Errorf("load a script: %w", err)
		}
	}
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
func (l *Line) Look(ctx context.Context, r app.Rules, account uuid.UUID) (app.Place, error) {
	return place(l.run(ctx, look, r, account))
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
