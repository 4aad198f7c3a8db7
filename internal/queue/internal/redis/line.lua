-- The line of a room. KEYS: who waits (score: sequence), until when each is waited for, who is called (score: until when), who has a slot
-- (score: until when), and what else is known of it. ARGV: what is added to the clock (0 but in tests), the account, the capacity, "1" if nobody
-- new is let in or called, when the room opens, since when there are passes, "1" if nobody stays in who is too many, and the rest by step.
local waiting, seen, proceed, active, room = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
local account, capacity, opens = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5])

-- What is known here is what these scripts began with, or they are not of this line any more: it was lost since, and that is to be noted first.
local known = redis.call('HMGET', room, 'lost', 'alive', 'away', 'back', 'counts')
if known[1] ~= 'EPOCH' then return redis.error_reply('NOSCRIPT the line is another one') end

-- lost is when what was known before was lost, and frozen until when nobody is let in or called, because passes may be good that are not known here.
local lost = tonumber(known[1])
local frozen = lost + PASS + SLACK
if tonumber(ARGV[6]) >= lost + SLACK then frozen = 0 end

-- The time of who is called goes by only while somebody calls, as that is when one who is called can come. alive is when that was last; who was
-- called then stays so after an absence, which began at away, until there was time to come since it ended: back.
local alive, away, back = tonumber(known[2] or 0), tonumber(known[3] or 0), tonumber(known[4] or 0)
local uncalled = alive
if alive < back + SHOWUP then uncalled = away end

local function shut()
  return ARGV[4] == '1' or now < opens or now < frozen
end

local function calls()
  return redis.call('ZCOUNT', proceed, '(' .. uncalled, '+inf')
end

local function taken()
  return redis.call('ZCOUNT', active, '(' .. now, '+inf') + calls()
end

-- crowded says whether others stay in for all slots that there are, and the account has to go for that.
local function crowded()
  if ARGV[7] ~= '1' then return false end
  local stays = now + RENEW + SLACK
  local staying = redis.call('ZCOUNT', active, '(' .. stays, '+inf') + calls()
  if tonumber(redis.call('ZSCORE', active, account) or 0) > stays then staying = staying - 1 end
  return staying >= capacity
end

-- lasts returns until when the account has a slot, or nil.
local function lasts()
  local score = tonumber(redis.call('ZSCORE', active, account) or 0)
  if score > now then return score end
end

-- left says whether the account has left a slot, whose pass may be good.
local function left()
  return tonumber(redis.call('ZSCORE', active, 'left:' .. account) or 0) > now
end

-- called returns until when the account is called, and how long until it may come, or nil.
local function called()
  local score = tonumber(redis.call('ZSCORE', proceed, account) or 0)
  if score <= uncalled then return nil end
  if alive < back + SHOWUP then score = math.max(score, back + SHOWUP) end
  if now > alive + ABSENT then score = now + SHOWUP end
  return score, math.min(math.max(frozen - now, 0), MOST)
end

-- inside gives the account a slot until then, in the place of one that it has left.
local function inside(ends)
  redis.call('ZREM', proceed, account)
  redis.call('ZREM', waiting, account)
  redis.call('ZREM', seen, account)
  redis.call('ZREM', active, 'left:' .. account)
  redis.call('ZADD', active, ends + SLACK, account)
  return {'active', '0', 0, ends, 0, '0', now}
end

-- sequence is the next one of those who come after the opening.
local function sequence()
  local next = math.max(tonumber(redis.call('HGET', room, 'last') or 0) + 1, (now - FROM) * RATE)
  redis.call('HSET', room, 'last', next)
  return FIRST + next
end

-- place returns the sequence of who waits, or nil. Before the opening it is the lot, whatever it was before.
local function place(lot)
  local at = redis.call('ZSCORE', waiting, account)
  if at and now < opens and lot ~= '0' and tonumber(at) ~= tonumber(lot) then
    redis.call('ZADD', waiting, lot, account)
    at = lot
  end
  return at
end

-- stand returns the place of who waits with that sequence, and waits for it until it should have asked again, and longer. That is noted only
-- where it is not noted already: a look that changes nothing costs the disk and the replicas nothing.
local function stand(at)
  local rank = redis.call('ZRANK', waiting, account)
  local pause = math.min(math.max(LEAST, rank * PER), MOST) + math.min(math.max(opens - now, 0), MOST)
  local least = now + math.floor(pause * 1.2) + PATIENCE
  local ends = tonumber(redis.call('ZSCORE', seen, account) or 0)
  if ends < least then
    ends = least + NOTED
    redis.call('ZADD', seen, ends, account)
  end
  return {'waiting', at, rank, ends, pause, redis.call('HGET', room, 'pace') or '0', now}
end

local function forget(set, before, most)
  local gone = redis.call('ZRANGEBYSCORE', set, '-inf', before, 'LIMIT', 0, most)
  if #gone > 0 then redis.call('ZREM', set, unpack(gone)) end
  return gone
end
