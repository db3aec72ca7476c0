-- Takes a job out of its line together with its lease. A job whose record is gone or has ended is passed over.
-- KEYS line, turns of the line, record, lease
-- ARGV id, token, lease in ms
-- Returns 1 if the caller has the job now.
local place = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not place then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HGET', KEYS[3], 'status') ~= 'queued' then return 0 end
if not redis.call('SET', KEYS[4], ARGV[2], 'NX', 'PX', ARGV[3]) then return 0 end
local served = math.max(tonumber(redis.call('HGET', KEYS[2], 'now') or 0), math.floor(tonumber(place) / 1000000))
if redis.call('ZCARD', KEYS[1]) == 0 then
  -- Nobody waits: whoever comes next begins at the turn that is served now.
  local count = redis.call('HGET', KEYS[2], 'count') or 0
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[2], 'count', count)
end
redis.call('HSET', KEYS[2], 'now', served)
return 1
