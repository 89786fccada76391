-- Counts one occurrence in a fixed window that begins with the first and goes away by itself. A resend by the
-- Redis client counts twice: a limit that is reached one early harms nobody, so no first answer is kept.
--
-- KEYS[1] counter
-- ARGV[1] length of the window, ms
--
-- Returns { occurrences in this window, ms until it ends }.

local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return { count, redis.call('PTTL', KEYS[1]) }
