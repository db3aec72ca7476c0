-- Marks a job as ended, takes it out of every set and line, and tells the worker that may still run it.
-- needs: event ended now
-- KEYS record, events, lease, leases, open jobs, deadlines, waiting jobs, those waiting for its tail, closing jobs, the owner's open jobs, counts, then its lines, those waiting for its other tails
-- ARGV id, channel of changes, channel of cancellations, status, seconds to keep, how many other tails, what is counted, '1' from who wrote the end
-- Returns 1 for the first end.
local id = ARGV[1]
for i = 4, 6 do redis.call('ZREM', KEYS[i], id) end
for i = 7, 8 do redis.call('SREM', KEYS[i], id) end
redis.call('ZADD', KEYS[9], now(), id)
redis.call('ZREM', KEYS[10], id)
for i = 12, #KEYS - ARGV[6] do redis.call('ZREM', KEYS[i], id) end
for i = #KEYS - ARGV[6] + 1, #KEYS do redis.call('SREM', KEYS[i], id) end
redis.call('DEL', KEYS[3])
local known = redis.call('HGET', KEYS[1], 'status')
if known and ended(known) then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[4])
if known or ARGV[8] == '1' then redis.call('HINCRBY', KEYS[11], ARGV[7], 1) end
event(KEYS[2], ARGV[2], id, 'status', cjson.encode({status = ARGV[4]}))
redis.call('PUBLISH', ARGV[3], id)
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 1
