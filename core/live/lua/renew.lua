-- Renews a lease, or takes it again when it ran out and no newer attempt has begun. A job that was queued again
-- meanwhile leaves its line: its worker is evidently alive. One that this very attempt gave back stays there.
-- needs: event ended now
-- KEYS record, events, lease, leases, then its lines
-- ARGV id, channel of changes, attempt, token, lease in ms
-- Returns 0 when the lease is lost for good.
local id, attempt, token = ARGV[1], ARGV[3], ARGV[4]
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= token then return 0 end
if not holder then
  local known = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'returned')
  if known[1] then
    if ended(known[1]) or known[3] == token or tonumber(known[2] or 0) > tonumber(attempt) then return 0 end
    if known[1] == 'queued' then
      for i = 5, #KEYS do redis.call('ZREM', KEYS[i], id) end
      event(KEYS[2], ARGV[2], id, 'status', cjson.encode({status = 'running', attempt = tonumber(attempt)}))
    end
    redis.call('HSET', KEYS[1], 'status', 'running', 'attempt', attempt)
  end
end
redis.call('SET', KEYS[3], token, 'PX', ARGV[5])
redis.call('ZADD', KEYS[4], now() + ARGV[5], id)
return 1
