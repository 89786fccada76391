-- Included by `transact`: closes the open interval of a guest and opens the next one at the same instant, in the
-- write that changes the guest. `changeBilling` of core/ledger.ts says the same and is tested against it.
-- Told twice it changes nothing; told late it counts from when the guest was last known. A guest that is gone
-- is never opened again. An open interval that nobody can read goes on the journal as it is, for the flush to set
-- aside, and the next one begins as if there had been none.
--
-- keys   { ledger:open, ledger:journal, guest }
-- facts  { guest id, state | 'ended' | 'void', at (ms), evidence, account (as encoded by store/ledger-encoding.ts) }

local function recordInterval(keys, facts)
  local open, journal, guest = unpack(keys)
  local guestId, state, atMs, evidence, account = unpack(facts)
  local stored = redis.call('HGET', open, guestId)
  local before, fromMs, fromEvidence, known = string.match(stored or '', '^(%a+)|(%d+)|(%a+)|(.*)$')
  if stored and not (known and pcall(cjson.decode, known)) then
    redis.call('RPUSH', journal, stored)
    redis.call('HDEL', open, guestId)
    stored = false
  end
  if not stored then
    if state == 'ended' or state == 'void' or redis.call('HGET', guest, 'state') == 'gone' then return 'none' end
    redis.call('HSET', open, guestId, table.concat({ state, atMs, evidence, account }, '|'))
    return 'opened'
  end

  if state == before then return 'unchanged' end
  if state ~= 'void' and tonumber(atMs) > tonumber(fromMs) then
    redis.call('RPUSH', journal, table.concat({ before, fromMs, fromEvidence, atMs, evidence, known }, '|'))
    fromMs = atMs
  end
  if state == 'ended' or state == 'void' then
    redis.call('HDEL', open, guestId)
    return 'closed'
  end
  redis.call('HSET', open, guestId, table.concat({ state, fromMs, evidence, known }, '|'))
  return 'changed'
end
