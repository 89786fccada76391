-- Brings the index of due operations in line with one operation's record: every unsettled one is in it, so that
-- rescue sees it; what settled, or is gone, is not.
--
-- KEYS[1] operation   KEYS[2] operations:due   KEYS[3] measures
-- ARGV[1] operation id   ARGV[2] now, ms   ARGV[3] newest schema version known   ARGV[4] '1' for a dry run
--
-- Returns the names of the indexes in which something was wrong.

-- @include heal-members

local BELONGS = { queued = true, begun = true, succeeded = false, failed = false, superseded = false }
local record = redis.call('HMGET', KEYS[1], 'state', 'schemaVersion')
local belongs = false
if redis.call('EXISTS', KEYS[1]) == 1 then
  belongs = BELONGS[record[1]]
  if belongs == nil or tonumber(record[2] or '0') > tonumber(ARGV[3]) then return {} end
end
return healMembers(ARGV[1], { { 'operations:due', KEYS[2], belongs, ARGV[2] } }, KEYS[3], ARGV[4] == '1')
