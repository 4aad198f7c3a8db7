-- The line of a room. KEYS: who waits (score: sequence), until when each is waited for, who is called (score: until when), who has a slot
-- (score: until when), and what else is known of it. ARGV: what is added to the clock (0 but in tests), the account, the capacity, "1" if nobody
-- new is let in or called, when the room opens, since when there are passes, "1" if nobody stays in who is too many, and the rest by step.
local waiting, seen, proceed, active, room = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
local account, capacity, opens = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5])

-- lost is when what was known before was lost, and frozen until when nobody is let in or called, because passes may be good that are not known here.
-- Who was called then stays so until it has had its time after that.
local lost = tonumber(redis.call('HGET', room, 'lost') or 0)
local frozen = lost + PASS + SLACK
if tonumber(ARGV[6]) >= lost + SLACK then frozen = 0 end
local uncalled = now
if now < frozen + SHOWUP then uncalled = lost end

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

-- called returns until when the account is called, and how long until it may come, or nil.
local function called()
  local score = tonumber(redis.call('ZSCORE', proceed, account) or 0)
  if score <= uncalled then return nil end
  if uncalled < now then score = frozen + SHOWUP end
  return score, math.min(math.max(frozen - now, 0), MOST)
end

-- inside gives the account a slot until then.
local function inside(ends)
  redis.call('ZREM', proceed, account)
  redis.call('ZREM', waiting, account)
  redis.call('ZREM', seen, account)
  redis.call('ZADD', active, ends + SLACK, account)
  return {'active', '0', 0, ends, 0, '0', now}
end

-- sequence is the next one of those who come after the opening.
local function sequence()
  local next = math.max(tonumber(redis.call('HGET', room, 'last') or 0) + 1, (now - FROM) * RATE)
  redis.call('HSET', room, 'last', next)
  return FIRST + next
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
