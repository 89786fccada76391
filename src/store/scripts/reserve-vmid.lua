-- Hands out the next VMID of a range, cyclically, to one guest. A guest that has one gets the same again.
--
-- KEYS[1] cursor   KEYS[2] vmid -> guest id, when it was taken   KEYS[3] guest id -> vmid   KEYS[4] vmids cooling down
-- ARGV[1] guest id   ARGV[2] first of the range   ARGV[3] last of the range   ARGV[4] where to begin at first
--
-- Returns the VMID, or 0 when every one is held or cooling down.

local held = redis.call('HGET', KEYS[3], ARGV[1])
if held then return tonumber(held) end

local first, last = tonumber(ARGV[2]), tonumber(ARGV[3])
local size = last - first + 1
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)

local cursor = tonumber(redis.call('GET', KEYS[1]) or ARGV[4])
for step = 0, size - 1 do
  local vmid = first + (cursor - first + step) % size
  local text = string.format('%d', vmid)
  if redis.call('HEXISTS', KEYS[2], text) == 0 and not redis.call('ZSCORE', KEYS[4], text) then
    redis.call('SET', KEYS[1], string.format('%d', first + (vmid - first + 1) % size))
    redis.call('HSET', KEYS[2], text, ARGV[1] .. '|' .. string.format('%.0f', now))
    redis.call('HSET', KEYS[3], ARGV[1], text)
    return vmid
  end
end
return 0
