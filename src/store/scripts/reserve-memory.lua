-- Reserves memory for a guest on a node, if everything reserved there stays within the limit.
-- Values are "node|vmid|MiB|until": a tentative reservation ends by itself, a firm one has 0.
--
-- KEYS[1] guest id -> reservation
-- ARGV[1] guest id   ARGV[2] node   ARGV[3] VMID   ARGV[4] MiB wanted
-- ARGV[5] limit of the node, MiB   ARGV[6] used there by guests that are not in this book, MiB
-- ARGV[7] how long it stays tentative, ms
--
-- Returns 1, or 0 when it does not fit.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reserved = 0

local entries = redis.call('HGETALL', KEYS[1])
for index = 1, #entries, 2 do
  local guest = entries[index]
  local node, _, mib, untilMs = string.match(entries[index + 1], '^([^|]*)|(%d+)|(%d+)|(%d+)$')
  if untilMs ~= '0' and tonumber(untilMs) < now then
    redis.call('HDEL', KEYS[1], guest)
  elseif node == ARGV[2] then
    if guest == ARGV[1] then return 1 end
    reserved = reserved + tonumber(mib)
  end
end

if reserved + tonumber(ARGV[6]) + tonumber(ARGV[4]) > tonumber(ARGV[5]) then return 0 end
local value = table.concat({ ARGV[2], ARGV[3], ARGV[4], string.format('%d', now + ARGV[7]) }, '|')
redis.call('HSET', KEYS[1], ARGV[1], value)
return 1
