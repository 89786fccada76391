-- Gives a permit back and hands it straight to whoever has waited longest, so that nobody can slip in.
--
-- KEYS[1] holders   KEYS[2] waiters   KEYS[3] when each waiter was last seen   KEYS[4] notes
-- ARGV[1] holder   ARGV[2] after how long unseen a waiter has left, ms
--
-- Returns the next holder, to be woken, or '' when nobody waits or the permit was not held.

if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return '' end
redis.call('HDEL', KEYS[4], ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

while true do
  local next = redis.call('ZPOPMIN', KEYS[2])[1]
  if not next then return '' end
  local seen = tonumber(redis.call('HGET', KEYS[3], next) or '0')
  redis.call('HDEL', KEYS[3], next)
  if now - seen <= tonumber(ARGV[2]) then
    redis.call('ZADD', KEYS[1], now, next)
    return next
  end
end
