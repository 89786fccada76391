-- Included where something happens that the webhook tells: adds an entry to its subject's outbox while workers
-- announce a webhook and the backlog has room. What has no room is counted.
--
-- keys       { deployment, outbox, due, totals, hints }
-- makeEntry  called only when the entry is kept: most deployments have no webhook

local function pushOutbox(keys, subject, makeEntry, backlogKept)
  local deployment, outbox, due, totals, hints = unpack(keys)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local announced = redis.call('HGET', deployment, 'webhookUntilMs')
  if not announced or tonumber(announced) < now then return end
  if tonumber(redis.call('HGET', totals, 'backlog') or '0') >= tonumber(backlogKept) then
    redis.call('HINCRBY', totals, 'dropped', 1)
    return
  end
  redis.call('RPUSH', outbox, cjson.encode(makeEntry()))
  redis.call('ZADD', due, 'NX', now, subject)
  redis.call('HINCRBY', totals, 'backlog', 1)
  redis.call('PUBLISH', hints, subject)
end
