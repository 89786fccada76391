-- Included by `transact` and `claim`: everything that follows from a change of a sandbox's state, in the write
-- that makes it. Raises the sandbox's sequence, writes the event to the log and to the sandbox's history, moves
-- the sandbox in the counts by state and provider and, while workers announce a webhook, puts an entry into the
-- sandbox's outbox. The entry holds the record as it is now, so that every try of its delivery says the same.
--
-- Becoming running is an activity: it raises the activity sequence, starts the clock of idleness anew and puts
-- the sandbox into the index of those whose idleness is looked at; everything else takes it out. Becoming paused
-- puts it into the index of those that are not kept for ever. One with a time to live is in the index of those
-- that expire, from its first change of state until it has ended.
--
-- keys   { sandbox, events, deployment, counts, outbox, due, totals, hints, history, activity, idle due,
--          idle upcoming, expiry due, retention due }, see `transitionKeys`
-- facts  { sandbox id, operation id, from, to, at (ms), events kept, most entries of all outboxes,
--          entries of a history, ms that a history is kept, ms that the activity of an ended one is kept }, see
--        `transitionFacts`

-- @include push-outbox

local function recordTransition(keys, facts)
  local sandbox, events, deployment, counts, outbox, due, totals, hints, history = unpack(keys)
  local activity, idleDue, idleUpcoming, expiryDue, retentionDue = unpack(keys, 10)
  local sandboxId, operationId, from, to, atMs = unpack(facts)
  local eventsKept, backlogKept, historyLength, historyMs, endedMs = unpack(facts, 6)

  local sequence = redis.call('HINCRBY', sandbox, 'sequence', 1)
  redis.call('XADD', events, 'MAXLEN', '~', eventsKept, '*', 'type', 'sandbox.changed', 'atMs', atMs,
    'sandboxId', sandboxId, 'operationId', operationId, 'from', from, 'to', to, 'sequence', sequence)
  local length = redis.call('RPUSH', history, cjson.encode({
    type = 'sandbox.changed',
    atMs = tonumber(atMs),
    facts = { operationId = operationId, from = from, to = to, sequence = sequence },
  }))
  if length > tonumber(historyLength) then redis.call('LTRIM', history, -tonumber(historyLength), -1) end
  redis.call('PEXPIRE', history, historyMs)

  if to == 'running' then
    redis.call('HINCRBY', activity, 'sequence', 1)
    redis.call('HSET', activity, 'runningSinceMs', atMs)
    redis.call('ZADD', idleDue, atMs, sandboxId)
  else
    redis.call('HDEL', activity, 'runningSinceMs', 'counters', 'countersBefore')
    redis.call('ZREM', idleDue, sandboxId)
    redis.call('ZREM', idleUpcoming, sandboxId)
  end
  if to == 'paused' then
    redis.call('ZADD', retentionDue, atMs, sandboxId)
  else
    redis.call('ZREM', retentionDue, sandboxId)
  end

  -- The record says how it is counted, so that each change takes away exactly what was added.
  local countedAs, placement, request, ttlFromMs, createdAtMs = unpack(redis.call('HMGET', sandbox,
    'countedAs', 'placement', 'request', 'ttlFromMs', 'createdAtMs'))
  if countedAs then redis.call('HINCRBY', counts, countedAs, -1) end
  if to == 'destroyed' or to == 'failed' or to == 'lost' then
    redis.call('HDEL', sandbox, 'countedAs')
    redis.call('PEXPIRE', activity, endedMs)
    redis.call('ZREM', expiryDue, sandboxId)
  else
    local ttlSeconds = request and cjson.decode(request).ttlSeconds
    if ttlSeconds then
      local fromMs = tonumber(ttlFromMs or createdAtMs)
      redis.call('ZADD', expiryDue, 'NX', string.format('%.0f', fromMs + ttlSeconds * 1000), sandboxId)
    end
    local provider = placement and cjson.decode(placement).provider or 'none'
    redis.call('HINCRBY', counts, to .. '|' .. provider, 1)
    redis.call('HSET', sandbox, 'countedAs', to .. '|' .. provider)
  end

  pushOutbox({ deployment, outbox, due, totals, hints }, sandboxId, function()
    return {
      sequence = sequence,
      atMs = tostring(atMs),
      sandboxId = sandboxId,
      operationId = operationId,
      from = from,
      to = to,
      record = redis.call('HGETALL', sandbox),
    }
  end, backlogKept)
  return sequence
end
