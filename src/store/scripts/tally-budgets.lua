-- Writes down what budgets have spent, and what of their reservations still holds. Reserved is summed up anew, so
-- whatever went wrong before is mended here.
--
-- KEYS[1]  hash: month, talliedAtMs, <budget>|spent, <budget>|reserved, <budget>|forecast
-- KEYS[2]  hash: operation id -> `micro-dollars|when|budget|budget...`
-- ARGV[1]  JSON: [field, value, ...] of the first hash, all but what is reserved
-- ARGV[2]  JSON: [[operation id, what it held when it was read, what it holds now or ""], ...]
--
-- Budgets that are not named any more are forgotten. Returns how many reservations there are.

for _, change in ipairs(cjson.decode(ARGV[2])) do
  local id, was, becomes = change[1], change[2], change[3]
  if redis.call('HGET', KEYS[2], id) == was then
    if becomes == '' then
      redis.call('HDEL', KEYS[2], id)
    else
      redis.call('HSET', KEYS[2], id, becomes)
    end
  end
end

local reserved, count = {}, 0
for _, encoded in ipairs(redis.call('HVALS', KEYS[2])) do
  count = count + 1
  local amount, position = nil, 0
  for part in string.gmatch(encoded, '[^|]+') do
    position = position + 1
    if position == 1 then amount = tonumber(part) end
    if position > 2 then reserved[part] = (reserved[part] or 0) + amount end
  end
end

redis.call('DEL', KEYS[1])
local fields = cjson.decode(ARGV[1])
for index = 1, #fields, 2 do redis.call('HSET', KEYS[1], fields[index], fields[index + 1]) end
for name, amount in pairs(reserved) do
  redis.call('HSET', KEYS[1], name .. '|reserved', string.format('%d', amount))
end
return count
