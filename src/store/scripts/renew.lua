-- Extends the lease of a claim that is still the newest one.
--
-- KEYS[1] subject   KEYS[2] operations:due
-- ARGV[1] operation id   ARGV[2] epoch   ARGV[3] holder   ARGV[4] lease, ms   ARGV[5] send deadline, ms
--
-- Returns 1, or 0 when another claim was made or the lease was released: then the caller has to stop.

local lease = redis.call('HMGET', KEYS[1], 'epoch', 'holder')
if lease[1] ~= ARGV[2] or lease[2] ~= ARGV[3] then return 0 end
local time = redis.call('TIME')
local untilMs = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'leaseUntilMs', untilMs)
redis.call('ZADD', KEYS[2], untilMs + tonumber(ARGV[5]), ARGV[1])
return 1
