-- Queues a running job whose lease has run out in the line of suspects.
-- needs: event join
-- KEYS record, events, lease, line of suspects, its turns
-- ARGV id, channel of changes, name of that line
-- Returns 1 for the one caller that did.
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
local known = redis.call('HMGET', KEYS[1], 'status', 'line', 'owner')
if known[1] ~= 'running' then return 0 end
if known[2] ~= ARGV[3] then redis.call('HDEL', KEYS[1], 'place') end
redis.call('HSET', KEYS[1], 'status', 'queued', 'line', ARGV[3])
join(KEYS[4], KEYS[5], KEYS[1], ARGV[1], known[3])
event(KEYS[2], ARGV[2], ARGV[1], 'status', cjson.encode({status = 'queued', reason = 'the worker was lost'}))
return 1
