-- Moves the oldest entries of the journal into the tables of their days, in one step with taking them off the
-- journal. Only the holder of the writer's lease may, and each of its batches once: a batch that is sent again
-- finds its number used and changes nothing.
--
-- KEYS[1] ledger:journal   KEYS[2] ledger:versions   KEYS[3] ledger:writer
-- KEYS[4..] for each day four: usage, guests, accounts, pieces
-- ARGV[1] writer and batch, as the lease is to say   ARGV[2] as it says afterwards   ARGV[3] lease, ms
-- ARGV[4] entries to take off the journal
-- ARGV[5] days, JSON: [{ day, usageMs, rawMs (how long to keep), usage: [field, ms, ...], guests: [field, ms, ...],
--         accounts: [guest, account, ...], pieces }, ...]
--
-- Returns 1, or 0 when the lease says otherwise.

if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end

local function addUp(key, pairsOfTime)
  for index = 1, #pairsOfTime, 2 do redis.call('HINCRBY', key, pairsOfTime[index], pairsOfTime[index + 1]) end
end

for index, day in ipairs(cjson.decode(ARGV[5])) do
  local usage, guests, accounts, pieces = unpack(KEYS, index * 4, index * 4 + 3)
  if day.usageMs > 0 then
    addUp(usage, day.usage)
    redis.call('PEXPIRE', usage, string.format('%d', day.usageMs))
    redis.call('HINCRBY', KEYS[2], day.day, 1)
  end
  if day.rawMs > 0 then
    addUp(guests, day.guests)
    for at = 1, #day.accounts, 2 do redis.call('HSET', accounts, day.accounts[at], day.accounts[at + 1]) end
    redis.call('RPUSH', pieces, day.pieces)
    for _, key in ipairs({ guests, accounts, pieces }) do
      redis.call('PEXPIRE', key, string.format('%d', day.rawMs))
    end
  end
end

if tonumber(ARGV[4]) > 0 then redis.call('LTRIM', KEYS[1], ARGV[4], -1) end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
return 1
