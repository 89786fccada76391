-- Included by the `heal-…` scripts: puts a member into the sorted sets that it belongs into and takes it out of the
-- others. What is right already is not written to, so that a healthy index keeps every score.
--
-- wanted   { { name, key, whether it belongs there, score when it was missing }, ... }
-- Counts each repair under its index. With `dry` it only says what it would repair.
--
-- Returns the names of the indexes in which something was wrong.

local function countRepair(measures, name, dry)
  if not dry then redis.call('HINCRBY', measures, 'healed|' .. name, 1) end
end

local function healMembers(id, wanted, measures, dry)
  local healed = {}
  for _, entry in ipairs(wanted) do
    local name, key, belongs, score = unpack(entry, 1, 4)
    local isThere = redis.call('ZSCORE', key, id) and true or false
    if isThere ~= belongs then
      healed[#healed + 1] = name
      countRepair(measures, name, dry)
      if not dry and belongs then redis.call('ZADD', key, score, id) end
      if not dry and not belongs then redis.call('ZREM', key, id) end
    end
  end
  return healed
end
