-- Writes what is known of the use of sandboxes, many in one step. Only a sandbox that has a record and has not
-- ended gets one. What is an activity raises the sandbox's activity sequence in the same step; background
-- decisions are pinned to that sequence.
--
-- KEYS      per sandbox: its record, its activity
-- ARGV[1]   now, ms      ARGV[2] most holds of one sandbox
-- ARGV[3..] per sandbox, JSON: { what = text for people, or absent when this is no activity,
--           hold = { owner, record }, release = owner, heartbeat = record, working = true, counters = record }
--           A record is JSON in JSON: it is kept as it is.
--
-- Returns per sandbox: its activity sequence, -1 when it has no record or has ended, -2 when it has too many holds.

local ENDED = { destroyed = true, failed = true, lost = true }
local COUNTERS_APART_MS = 10000
local now, maxHolds = tonumber(ARGV[1]), tonumber(ARGV[2])

local function latest(activity, field, atMs)
  local before = tonumber(redis.call('HGET', activity, field) or '0')
  if atMs > before then redis.call('HSET', activity, field, string.format('%d', atMs)) end
  return atMs >= before
end

local function acted(activity, atMs, what)
  if latest(activity, 'activeAtMs', atMs) then redis.call('HSET', activity, 'activeBy', what) end
end

-- Holds that ran out are taken away; what they covered counts as use.
local function countHolds(activity)
  local count = 0
  local fields = redis.call('HGETALL', activity)
  for index = 1, #fields, 2 do
    if string.sub(fields[index], 1, 5) == 'hold:' then
      local hold = cjson.decode(fields[index + 1])
      if hold.untilMs <= now then
        redis.call('HDEL', activity, fields[index])
        acted(activity, hold.untilMs, 'the end of the hold by ' .. hold.owner)
      else
        count = count + 1
      end
    end
  end
  return count
end

-- Rates need two counts that are some way apart: what comes sooner is left out.
local function keepCounters(activity, text)
  local old = redis.call('HGET', activity, 'counters')
  if old then
    if cjson.decode(text).atMs < cjson.decode(old).atMs + COUNTERS_APART_MS then return end
    redis.call('HSET', activity, 'countersBefore', old)
  end
  redis.call('HSET', activity, 'counters', text)
end

local function write(sandbox, activity, entry)
  local state = redis.call('HGET', sandbox, 'state')
  if not state or ENDED[state] then return -1 end
  if entry.hold then
    local field = 'hold:' .. entry.hold.owner
    if countHolds(activity) >= maxHolds and redis.call('HEXISTS', activity, field) == 0 then return -2 end
    redis.call('HSET', activity, field, entry.hold.record)
  end
  if entry.release then redis.call('HDEL', activity, 'hold:' .. entry.release) end
  if entry.heartbeat then redis.call('HSET', activity, 'heartbeat', entry.heartbeat) end
  if entry.counters then keepCounters(activity, entry.counters) end
  if entry.working then latest(activity, 'workSeenAtMs', now) end
  if entry.what then acted(activity, now, entry.what) end
  if entry.what or entry.working then return redis.call('HINCRBY', activity, 'sequence', 1) end
  return tonumber(redis.call('HGET', activity, 'sequence') or '0')
end

local replies = {}
for index = 3, #ARGV do
  local at = (index - 3) * 2
  replies[index - 2] = write(KEYS[at + 1], KEYS[at + 2], cjson.decode(ARGV[index]))
end
return replies
