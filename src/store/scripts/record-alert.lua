-- Raises or clears one alert, with its event in the log and its entry in the webhook's outbox `alerts`. What is
-- raised already only gets its newest message; what is not there is not cleared. The call's own id, kept with
-- the alert, lets a resend by the Redis client answer as the first one did.
--
-- KEYS[1] alerts   KEYS[2] events   KEYS[3..7] the keys of `push-outbox`
-- ARGV[1] raise | clear   ARGV[2] name   ARGV[3] subject   ARGV[4] now, ms   ARGV[5] id of this call
-- ARGV[6] message   ARGV[7] remediation ('' for none)
-- ARGV[8] events kept   ARGV[9] most entries of all outboxes   ARGV[10] most alerts at once
--
-- Returns 'raised', 'cleared', 'unchanged', or 'full' when there is no room for another alert.

-- @include push-outbox

local verb, name, subject, atMs, id = unpack(ARGV, 1, 5)
local field = name .. '|' .. subject
local stored = redis.call('HGET', KEYS[1], field)
local known = stored and cjson.decode(stored)

local function tell(type, alert)
  local sequence = redis.call('HINCRBY', KEYS[3], 'alertSequence', 1)
  local event = { 'type', type, 'atMs', atMs, 'name', name, 'subject', subject, 'message', alert.message }
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[8], '*', unpack(event))
  pushOutbox({ unpack(KEYS, 3, 7) }, 'alerts', function()
    return { sequence = sequence, atMs = atMs, type = type, alert = alert }
  end, ARGV[9])
end

if verb == 'clear' then
  if not known then return 'unchanged' end
  redis.call('HDEL', KEYS[1], field)
  known.raisedBy = nil
  tell('alert.cleared', known)
  return 'cleared'
end

local alert = { name = name, subject = subject, message = ARGV[6], sinceMs = tonumber(atMs) }
if ARGV[7] ~= '' then alert.remediation = ARGV[7] end
if known then
  if known.raisedBy == id then return 'raised' end
  alert.sinceMs = known.sinceMs
  alert.raisedBy = known.raisedBy
  redis.call('HSET', KEYS[1], field, cjson.encode(alert))
  return 'unchanged'
end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[10]) then return 'full' end
tell('alert.raised', alert)
alert.raisedBy = id
redis.call('HSET', KEYS[1], field, cjson.encode(alert))
return 'raised'
