-- Takes deliveries that are due for a while: if the taker dies, they are due again when that has passed.
-- needs: now
-- KEYS deliveries
-- ARGV how many, for how long in ms
-- Returns those that were taken.
local time = now()
local taken = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time, 'LIMIT', 0, ARGV[1])
for _, delivery in ipairs(taken) do redis.call('ZADD', KEYS[1], 'XX', time + ARGV[2], delivery) end
return taken
