-- Takes one request from an allowance: so many at once, and then as they come back, evenly (GCRA).
-- needs: now
-- KEYS allowance, whose value is when all of it is back, in ms
-- ARGV how many, in how many ms
-- Returns {1 if it may, how many are left, ms until all are back, ms until the next one may}.
local quota, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local each, time = window / quota, now()
local full = tonumber(redis.call('GET', KEYS[1]) or 0)
-- A clock that was set back must not bar anybody for longer than a window.
full = math.min(math.max(full, time), time + window)
local left = quota - (full - time) / each
if left < 0.999999 then return {0, 0, math.ceil(full - time), math.ceil((1 - left) * each)} end
full = full + each
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - time))
return {1, math.floor(left - 0.999999), math.ceil(full - time), 0}
