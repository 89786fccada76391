-- Included by `take-permit` and `claim`: takes one of several permits, or joins the line for all of them. Nobody
-- overtakes: a free place goes to whoever has waited longest, and a waiter that has not asked again for a while has
-- left the line.
--
-- keys         for each alternative four: holders, waiters, when each waiter was last seen, notes
-- holder       who is to hold it
-- leftAfterMs  after how long unseen a waiter has left
-- limits       of each alternative
-- now          by Redis's clock, ms
--
-- Returns {1, index of the alternative, indexes held besides, ...} (from 1; the others are to be given back),
-- or {0, place in line, index of the permit held longest, its holder, held for ms, its note}.

local function joinLine(keys, holder, leftAfterMs, limits, now)
  local count = #keys / 4

  local function keysOf(index)
    local base = (index - 1) * 4
    return keys[base + 1], keys[base + 2], keys[base + 3], keys[base + 4]
  end

  local function leaveLines()
    for index = 1, count do
      local _, waiters, seen = keysOf(index)
      redis.call('ZREM', waiters, holder)
      redis.call('HDEL', seen, holder)
    end
  end

  local held = {}
  for index = 1, count do
    if redis.call('ZSCORE', (keysOf(index)), holder) then held[#held + 1] = index end
  end
  if #held > 0 then
    leaveLines()
    return { 1, unpack(held) }
  end

  for index = 1, count do
    local _, waiters, seen = keysOf(index)
    for _, waiter in ipairs(redis.call('ZRANGE', waiters, 0, -1)) do
      if now - tonumber(redis.call('HGET', seen, waiter) or '0') > leftAfterMs then
        redis.call('ZREM', waiters, waiter)
        redis.call('HDEL', seen, waiter)
      end
    end
  end

  for index = 1, count do
    local holders, waiters = keysOf(index)
    local free = tonumber(limits[index]) - redis.call('ZCARD', holders)
    local inFront = redis.call('ZRANK', waiters, holder) or redis.call('ZCARD', waiters)
    if inFront < free then
      redis.call('ZADD', holders, now, holder)
      leaveLines()
      return { 1, index }
    end
  end

  local place, oldestIndex, oldestHolder, oldestSince
  for index = 1, count do
    local holders, waiters, seen = keysOf(index)
    redis.call('ZADD', waiters, 'NX', now, holder)
    redis.call('HSET', seen, holder, now)
    local rank = redis.call('ZRANK', waiters, holder) + 1
    if not place or rank < place then place = rank end
    local first = redis.call('ZRANGE', holders, 0, 0, 'WITHSCORES')
    if first[1] and (not oldestSince or tonumber(first[2]) < oldestSince) then
      oldestIndex, oldestHolder, oldestSince = index, first[1], tonumber(first[2])
    end
  end
  local _, _, _, notes = keysOf(oldestIndex or 1)
  local note = oldestHolder and redis.call('HGET', notes, oldestHolder) or ''
  return { 0, place, oldestIndex or 0, oldestHolder or '', oldestSince and now - oldestSince or 0, note or '' }
end
