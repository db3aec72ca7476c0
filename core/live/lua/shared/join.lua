-- Gives a queued job its place in a line. Owners take turns: an owner's next job comes one turn after its last one, and
-- not before the turn that is served now (start-time fair queueing with jobs of equal cost, Goyal et al. 1996). A job
-- that comes back to its line has its old place again.
local function join(line, turns, lines, in_use, record, id, owner)
  if redis.call('ZSCORE', line, id) then return end
  local place = redis.call('HGET', record, 'place')
  if not place then
    local field = 'owner:' .. owner
    local served = tonumber(redis.call('HGET', turns, 'now') or 0)
    local turn = math.max(served, tonumber(redis.call('HGET', turns, field) or 0)) + 1
    redis.call('HSET', turns, field, turn)
    -- Within one turn, who came first goes first.
    local count = redis.call('HINCRBY', turns, 'count', 1)
    place = string.format('%.0f', turn * 1000000 + count % 1000000)
    redis.call('HSET', record, 'place', place)
  end
  redis.call('ZADD', line, place, id)
  redis.call('SADD', lines, in_use)
end
