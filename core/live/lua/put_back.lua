-- Puts a job that was only taken from its line back to its place, with its lease given up.
-- KEYS line, record, lease, leases
-- ARGV id, token
-- Returns 0 when the lease is not the caller's any more.
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[3])
redis.call('ZREM', KEYS[4], ARGV[1])
local place = redis.call('HGET', KEYS[2], 'place')
if place then redis.call('ZADD', KEYS[1], place, ARGV[1]) end
return 1
