-- Compare, then write: carries out all commands in one step if every guard holds, and none otherwise.
-- Whoever sends the same transaction again (the Redis client after a lost connection) gets the first answer.
--
-- KEYS[1]   where the answer is kept for a resend
-- KEYS[2..] the keys that guards and commands refer to by index
-- ARGV[1]   how long the answer is kept, ms
-- ARGV[2]   guards, JSON: [["absent", key] | ["field", key, field, expected] | ["first", key, expected], ...]
--           "field" with the expected value "" also holds when the field is missing;
--           "first" compares the head of a list, "" meaning an empty one
--           ["room", key, month, [[budget, limit, adds], ...]] holds when every budget has room for what is added,
--           or nothing is; spent and reserved are fields of that hash, and spent in another month counts nothing
-- ARGV[3]   commands, JSON: [[name, key, argument...], ...]
--           or ["transition", [key...], [fact...]], which is carried out by `record-transition`
--           or ["bill", [key...], [fact...]], which is carried out by `record-interval`
--
-- Returns JSON: {"ok":true,"replies":[...]} or {"ok":false,"guard":<index from 0>,"actual":"<value found>"}.

-- @include record-transition
-- @include record-interval

local earlier = redis.call('GET', KEYS[1])
if earlier then return earlier end

local function answer(value)
  local text = cjson.encode(value)
  redis.call('SET', KEYS[1], text, 'PX', ARGV[1])
  return text
end

for index, guard in ipairs(cjson.decode(ARGV[2])) do
  local kind, key = guard[1], KEYS[guard[2]]
  local actual, holds
  if kind == 'absent' then
    holds = redis.call('EXISTS', key) == 0
    if not holds and redis.call('TYPE', key).ok == 'string' then actual = redis.call('GET', key) end
  elseif kind == 'field' then
    actual = redis.call('HGET', key, guard[3]) or ''
    holds = actual == guard[4]
  elseif kind == 'room' then
    local isOfMonth = redis.call('HGET', key, 'month') == guard[3]
    holds = true
    for _, budget in ipairs(guard[4]) do
      local name, limit, adds = budget[1], budget[2], budget[3]
      local spent = isOfMonth and tonumber(redis.call('HGET', key, name .. '|spent') or 0) or 0
      local reserved = tonumber(redis.call('HGET', key, name .. '|reserved') or 0)
      if holds and adds > 0 and spent + reserved + adds > limit then
        holds = false
        actual = name
      end
    end
  else
    actual = redis.call('LINDEX', key, 0) or ''
    holds = actual == guard[3]
  end
  if not holds then return answer({ ok = false, guard = index - 1, actual = actual or '' }) end
end

local replies = {}
for index, command in ipairs(cjson.decode(ARGV[3])) do
  local reply
  if command[1] == 'transition' or command[1] == 'bill' then
    local named = {}
    for position, key in ipairs(command[2]) do named[position] = KEYS[key] end
    reply = (command[1] == 'bill' and recordInterval or recordTransition)(named, command[3])
  else
    command[2] = KEYS[command[2]]
    reply = redis.call(unpack(command))
  end
  if type(reply) == 'table' and reply.ok then reply = reply.ok end
  replies[index] = reply
end
return answer({ ok = true, replies = replies })
