-- Counts one automatic destruction against the bound of its provider within a window, if it is still within it.
-- The same subject counts once.
--
-- KEYS[1] who was counted, by when
-- ARGV[1] subject   ARGV[2] now, ms   ARGV[3] window, ms   ARGV[4] the bound
--
-- Returns 1 when it may go on, 0 when the bound is reached.

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', tonumber(ARGV[2]) - tonumber(ARGV[3]))
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
