-- Puts a queued job that nobody holds back into its line: a worker died between taking it and claiming its attempt.
-- needs: join
-- KEYS record, lease, line, turns of the line
-- ARGV id, name of the line
-- Returns 1 if it stands in that line now.
local known = redis.call('HMGET', KEYS[1], 'status', 'line', 'owner')
if known[1] ~= 'queued' or known[2] ~= ARGV[2] or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
join(KEYS[3], KEYS[4], KEYS[1], ARGV[1], known[3])
return 1
