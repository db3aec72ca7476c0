-- Marks a job as running in an attempt and begins a fresh lease.
-- needs: event now
-- KEYS record, events, lease, leases
-- ARGV id, channel of changes, attempt, token, lease in ms
-- Returns 0 when the lease was lost meanwhile.
if redis.call('GET', KEYS[3]) ~= ARGV[4] then return 0 end
redis.call('PEXPIRE', KEYS[3], ARGV[5])
redis.call('ZADD', KEYS[4], now() + ARGV[5], ARGV[1])
redis.call('HSET', KEYS[1], 'status', 'running', 'attempt', ARGV[3])
event(KEYS[2], ARGV[2], ARGV[1], 'status', cjson.encode({status = 'running', attempt = tonumber(ARGV[3])}))
return 1
