-- Brings the indexes of one guest in line with its record; a guest without a record belongs into none, and what
-- its provider shows of it is reconciliation's to judge. A stuck guest may be in the index of the condemned or not.
--
-- KEYS[1] guest   KEYS[2] condemned   KEYS[3] unowned   KEYS[4] measures   KEYS[5..] the inventory of each provider
-- ARGV[1] guest id   ARGV[2] now, ms   ARGV[3] newest schema version known   ARGV[4] '1' for a dry run
-- ARGV[5..] the providers, in the order of their inventories
--
-- Returns the names of the indexes in which something was wrong.

-- @include heal-members

local STATES = { creating = true, live = true, condemned = true, stuck = true, unowned = true, gone = true }
local record = redis.call('HMGET', KEYS[1], 'state', 'schemaVersion', 'provider')
local state = record[1]
if redis.call('EXISTS', KEYS[1]) == 1 then
  if not state or not STATES[state] or tonumber(record[2] or '0') > tonumber(ARGV[3]) then return {} end
end

local wanted = { { 'guests:unowned', KEYS[3], state == 'unowned', ARGV[2] } }
if state ~= 'stuck' then
  wanted[#wanted + 1] = { 'guests:condemned', KEYS[2], state == 'condemned', ARGV[2] }
end
for index = 5, #KEYS do
  local belongs = state and state ~= 'gone' and record[3] == ARGV[index]
  wanted[#wanted + 1] = { 'guests:of', KEYS[index], belongs and true or false, ARGV[2] }
end
return healMembers(ARGV[1], wanted, KEYS[4], ARGV[4] == '1')
