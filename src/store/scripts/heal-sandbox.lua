-- Brings the indexes of one sandbox in line with its record; a sandbox without a record belongs into none. A record
-- of a newer release, or in a state that is not known here, is left alone with its indexes.
--
-- KEYS[1] sandbox   KEYS[2] current   KEYS[3] ended   KEYS[4] counts   KEYS[5] idle due   KEYS[6] idle upcoming
-- KEYS[7] expiry due   KEYS[8] retention due   KEYS[9] measures
-- ARGV[1] sandbox id   ARGV[2] now, ms   ARGV[3] newest schema version known   ARGV[4] '1' for a dry run
--
-- Returns the names of the indexes in which something was wrong.

-- @include heal-members

local id, now, dry = ARGV[1], ARGV[2], ARGV[4] == '1'
local CURRENT = {
  requested = true, starting = true, running = true, pausing = true, paused = true, resuming = true,
  destroying = true, stuck = true,
}
local ENDED = { destroyed = true, failed = true, lost = true }

local record = redis.call('HMGET', KEYS[1], 'state', 'schemaVersion', 'createdAtMs', 'updatedAtMs', 'countedAs',
  'placement', 'request', 'ttlFromMs')
local state, schema = record[1], record[2]
if redis.call('EXISTS', KEYS[1]) == 0 then
  return healMembers(id, {
    { 'sandboxes:current', KEYS[2], false },
    { 'idle:due', KEYS[5], false },
    { 'idle:upcoming', KEYS[6], false },
    { 'expiry:due', KEYS[7], false },
    { 'retention:due', KEYS[8], false },
  }, KEYS[9], dry)
end
-- Nothing follows from a damaged record.
if not (state and record[3] and record[4] and record[7]) then return {} end
if tonumber(schema or '0') > tonumber(ARGV[3]) or not (CURRENT[state] or ENDED[state]) then return {} end

local isCurrent, isRunning = CURRENT[state] == true, state == 'running'
local wanted = {
  { 'sandboxes:current', KEYS[2], isCurrent, record[3] },
  { 'sandboxes:ended', KEYS[3], not isCurrent, record[4] },
  { 'idle:due', KEYS[5], isRunning, now },
  { 'retention:due', KEYS[8], state == 'paused', now },
}
if not isRunning then wanted[#wanted + 1] = { 'idle:upcoming', KEYS[6], false } end
local ttlSeconds = cjson.decode(record[7]).ttlSeconds
if not isCurrent then
  wanted[#wanted + 1] = { 'expiry:due', KEYS[7], false }
elseif type(ttlSeconds) == 'number' then
  local endsAt = tonumber(record[8] or record[3]) + ttlSeconds * 1000
  wanted[#wanted + 1] = { 'expiry:due', KEYS[7], true, string.format('%.0f', endsAt) }
end
local healed = healMembers(id, wanted, KEYS[9], dry)

local provider = record[6] and cjson.decode(record[6]).provider or 'none'
local counted = isCurrent and state .. '|' .. provider
if record[5] ~= counted then
  healed[#healed + 1] = 'sandboxes:counts'
  countRepair(KEYS[9], 'sandboxes:counts', dry)
  if not dry then
    if record[5] then redis.call('HINCRBY', KEYS[4], record[5], -1) end
    if counted then
      redis.call('HINCRBY', KEYS[4], counted, 1)
      redis.call('HSET', KEYS[1], 'countedAs', counted)
    else
      redis.call('HDEL', KEYS[1], 'countedAs')
    end
  end
end
return healed
