-- Takes the oldest entry off one sandbox's outbox, if it still is the one that the caller means. Sent again, it
-- finds another entry there and changes nothing.
--
-- KEYS[1] outbox   KEYS[2] webhook:due   KEYS[3] webhook:tries   KEYS[4] webhook:totals
-- KEYS[5] webhook:dead   KEYS[6] webhook:dead:index
-- ARGV[1] sandbox id   ARGV[2] the entry, as it is in the outbox   ARGV[3] delivered | dead | dropped
-- ARGV[4] now, ms   ARGV[5] event id   ARGV[6] dead letter, JSON ('' unless dead)   ARGV[7] dead letters kept
--
-- Returns how many entries are left in the outbox, or -1 when another one is the oldest.

if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[2] then return -1 end
redis.call('LPOP', KEYS[1])
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('HINCRBY', KEYS[4], 'backlog', -1)
redis.call('HINCRBY', KEYS[4], ARGV[3], 1)

if ARGV[3] == 'dead' then
  redis.call('HSET', KEYS[5], ARGV[5], ARGV[6])
  redis.call('ZADD', KEYS[6], ARGV[4], ARGV[5])
  local excess = redis.call('ZCARD', KEYS[6]) - tonumber(ARGV[7])
  for _, id in ipairs(excess > 0 and redis.call('ZRANGE', KEYS[6], 0, excess - 1) or {}) do
    redis.call('ZREM', KEYS[6], id)
    redis.call('HDEL', KEYS[5], id)
  end
end

local left = redis.call('LLEN', KEYS[1])
if left == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
end
return left
