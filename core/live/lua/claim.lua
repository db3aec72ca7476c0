-- Takes a job out of its line together with its lease. A job whose record is gone or has ended is passed over.
-- needs: now
-- KEYS line, turns of the line, record, lease, leases
-- ARGV id, token, lease in ms
-- Returns the number of the job's last attempt that is known here, -1 if the caller does not have the job.
local place = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not place then return -1 end
redis.call('ZREM', KEYS[1], ARGV[1])
local known = redis.call('HMGET', KEYS[3], 'status', 'attempt')
if known[1] ~= 'queued' then return -1 end
if not redis.call('SET', KEYS[4], ARGV[2], 'NX', 'PX', ARGV[3]) then return -1 end
redis.call('ZADD', KEYS[5], now() + ARGV[3], ARGV[1])
local served = math.max(tonumber(redis.call('HGET', KEYS[2], 'now') or 0), math.floor(tonumber(place) / 1000000))
if redis.call('ZCARD', KEYS[1]) == 0 then
  -- Nobody waits: whoever comes next begins at the turn that is served now.
  local count = redis.call('HGET', KEYS[2], 'count') or 0
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[2], 'count', count)
end
redis.call('HSET', KEYS[2], 'now', served)
return tonumber(known[2] or 0)
