-- Claims an operation's current attempt: raises the epoch of its subject (a sandbox, or the guest of a
-- discard) and takes the lease. From then on every write of an earlier claim is refused.
-- A new claim waits until the old lease was released, or ended by Redis's clock plus the time in which a
-- request that the old holder let go may still leave its machine.
-- Sent twice by the same holder it answers the same.
-- What was decided in the background is pinned: unless its first request was let go already, it stands only if
-- there was no activity since and, at the first claim, the sandbox is in the state it was in. Where it does not,
-- the claim is made all the same, so that its holder can settle the operation, but the sandbox's state stays, and
-- the operation says why (`pinBroken`).
--
-- KEYS[1] operation   KEYS[2] subject   KEYS[3] pending operations of the subject
-- KEYS[4] operations:due   KEYS[5..18] the keys of `record-transition`
-- KEYS[19] the guest that it will most likely be about
-- KEYS[20..23] the permit that is its slot, as in `join-line` (absent: it needs none)
-- ARGV[1] operation id    ARGV[2] attempt number   ARGV[3] holder (unique per run)
-- ARGV[4] lease, ms       ARGV[5] send deadline, ms
-- ARGV[6] state the sandbox shows meanwhile ('' for a discard)   ARGV[7] sandbox id
-- ARGV[8..12] the bounds of `record-transition`
-- ARGV[13] how many such slots there are   ARGV[14] after how long unseen a waiter has left their line, ms
-- ARGV[15] the newest schema version that the caller can read
--
-- Returns {'claimed', operation fields, subject fields, guest fields}, {'held', ms to wait}, or one of
-- {'gone'} {'newer'} {'settled'} {'stale', current attempt} {'waiting', id of the operation in front}
-- {'unslotted', place in line, 1, who holds a slot longest, held for ms, its note}. Whatever it returns,
-- the operation may hold a slot: it was handed one while it waited, or this took one before it saw that the claim
-- cannot be made. Its caller gives it back, unless that is for another run of the operation.

-- @include record-transition
-- @include join-line

local operation, subject = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local state, attempt, schema, pinnedActivity, pinnedState, sentAtMs, broken = unpack(redis.call('HMGET', operation,
  'state', 'attempt', 'schemaVersion', 'pinnedActivity', 'pinnedState', 'sentAtMs', 'pinBroken'))
if not state then return { 'gone' } end
if state ~= 'queued' and state ~= 'begun' then return { 'settled' } end
if KEYS[20] then
  local answer = joinLine({ unpack(KEYS, 20, 23) }, ARGV[1], tonumber(ARGV[14]), { ARGV[13] }, now)
  if answer[1] == 0 then return { 'unslotted', unpack(answer, 2) } end
end
if attempt ~= ARGV[2] then return { 'stale', attempt } end
if redis.call('EXISTS', subject) == 0 then return { 'gone' } end
local subjectSchema, before, epoch, version, holder, leaseUntilMs = unpack(redis.call('HMGET', subject,
  'schemaVersion', 'state', 'epoch', 'version', 'holder', 'leaseUntilMs'))
-- A newer release wrote it, whose workers are there to act on it: nothing of it is touched.
if math.max(tonumber(schema or '0'), tonumber(subjectSchema or '0')) > tonumber(ARGV[15]) then return { 'newer' } end
local first = redis.call('LINDEX', KEYS[3], 0)
if first ~= ARGV[1] then return { 'waiting', first or '' } end

if holder ~= ARGV[3] then
  local freeAt = tonumber(leaseUntilMs or '0') + tonumber(ARGV[5])
  if holder and holder ~= '' and now < freeAt then return { 'held', freeAt - now } end

  if pinnedActivity and not sentAtMs and not broken then
    if (redis.call('HGET', KEYS[14], 'sequence') or '0') ~= pinnedActivity then
      local seen = redis.call('HMGET', KEYS[14], 'activeAtMs', 'activeBy', 'workSeenAtMs')
      local worked = tonumber(seen[3] or '0') > tonumber(seen[1] or '0')
      broken = worked and 'a heartbeat that showed work' or seen[2] or 'it was resumed'
    elseif state == 'queued' and before ~= pinnedState then
      broken = 'it is ' .. before
    end
    if broken then redis.call('HSET', operation, 'pinBroken', broken) end
  end

  local untilMs = now + tonumber(ARGV[4])
  redis.call('HSET', operation, 'state', 'begun', 'claimedAtMs:' .. ARGV[2], now)
  redis.call('HSET', subject, 'holder', ARGV[3], 'leaseUntilMs', untilMs, 'epoch', (epoch or 0) + 1,
    'version', (version or 0) + 1)
  redis.call('ZADD', KEYS[4], untilMs + tonumber(ARGV[5]), ARGV[1])
  if not broken and ARGV[6] ~= '' and before ~= ARGV[6] then
    redis.call('HSET', subject, 'state', ARGV[6], 'updatedAtMs', now)
    recordTransition({ unpack(KEYS, 5, 18) },
      { ARGV[7], ARGV[1], before, ARGV[6], string.format('%d', now), unpack(ARGV, 8, 12) })
  end
end

return {
  'claimed',
  redis.call('HGETALL', operation),
  redis.call('HGETALL', subject),
  redis.call('HGETALL', KEYS[19]),
}
