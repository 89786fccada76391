-- Takes one of several permits, or joins the line for all of them; see `join-line`.
--
-- KEYS   for each alternative four: holders, waiters, when each waiter was last seen, notes
-- ARGV[1] holder   ARGV[2] after how long unseen a waiter has left, ms   ARGV[3..] the limit of each alternative
--
-- Returns what `join-line` does.

-- @include join-line

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return joinLine(KEYS, ARGV[1], tonumber(ARGV[2]), { unpack(ARGV, 3) }, now)
