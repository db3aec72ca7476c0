-- Marks a job as ended, takes it out of every line, and tells the worker that may still run it.
-- needs: event ended
-- KEYS record, events, lease, open jobs, waiting jobs, then all lines
-- ARGV id, channel of changes, channel of cancellations, status, seconds to keep
-- Returns 1 for the first end.
local id = ARGV[1]
redis.call('ZREM', KEYS[4], id)
redis.call('SREM', KEYS[5], id)
redis.call('DEL', KEYS[3])
for i = 6, #KEYS do redis.call('ZREM', KEYS[i], id) end
local known = redis.call('HGET', KEYS[1], 'status')
if known and ended(known) then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[4])
event(KEYS[2], ARGV[2], id, 'status', cjson.encode({status = ARGV[4]}))
redis.call('PUBLISH', ARGV[3], id)
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 1
