-- Reads several records, and lists, at one moment. A pipeline is one request, too, but costs the client as much as the
-- rest of a read: each is made with every script that is defined on the connection, and BullMQ defines fifty.
--
-- KEYS   hashes and lists
--
-- Returns for each its fields and values in turn, or its elements; nothing of what is not there.

local answers = {}
for index, key in ipairs(KEYS) do
  local isList = redis.call('TYPE', key).ok == 'list'
  answers[index] = isList and redis.call('LRANGE', key, 0, -1) or redis.call('HGETALL', key)
end
return answers
