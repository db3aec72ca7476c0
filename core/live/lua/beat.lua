-- Says that a worker is alive, and what it does; forgets workers that have been silent for too long.
-- needs: now
-- KEYS workers, their states, their loads
-- ARGV worker, state, for how many ms it is vouched for
local time = now()
redis.call('ZADD', KEYS[1], time + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
local silent = redis.call('ZRANGE', KEYS[1], '-inf', time, 'BYSCORE', 'LIMIT', 0, 50)
for _, worker in ipairs(silent) do
  redis.call('ZREM', KEYS[1], worker)
  redis.call('HDEL', KEYS[2], worker)
  redis.call('HDEL', KEYS[3], worker)
end
return 1
