-- Keeps the install record alive, and notices when it cannot be trusted: when there is none although the caller
-- has lived under one (Redis was emptied), or when its last beat is old (a dump was restored, or everything was
-- down). The second puts every current sandbox on the list of those to be asked for. By Redis's own clock, so
-- that a test's or a worker's clock neither hides nor feigns an absence.
--
-- KEYS[1] deployment   KEYS[2] sandboxes:current   KEYS[3] sandboxes:unobserved
-- ARGV[1] install id of the caller   ARGV[2] a beat older than this is old, ms   ARGV[3] now, ms, as noted
--
-- Returns 'kept', 'lost' (there was no record) or 'old'.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call('HMGET', KEYS[1], 'installId', 'heartbeatMs')

local found = 'kept'
if not record[1] then
  found = 'lost'
  redis.call('HSET', KEYS[1], 'installId', ARGV[1], 'adoptOnlySinceMs', ARGV[3], 'distrustBeforeMs', ARGV[3],
    'adoptOnlyReason', 'the install record was gone, so Redis was emptied')
elseif record[2] and now - tonumber(record[2]) > tonumber(ARGV[2]) then
  found = 'old'
  redis.call('HSET', KEYS[1], 'observingSinceMs', ARGV[3], 'distrustBeforeMs', ARGV[3])
  redis.call('ZUNIONSTORE', KEYS[3], 1, KEYS[2], 'WEIGHTS', 0)
end
redis.call('HSET', KEYS[1], 'heartbeatMs', string.format('%d', now))
return found
