-- Puts a job into a line as queued, unless another attempt holds its lease or it has ended.
-- needs: event ended join
-- KEYS record, events, lease, leases, waiting jobs, those waiting for its tail, line, turns, lines in use, its other lines, those waiting for its other tails
-- ARGV id, channel of changes, line, line and model, token of the caller's lease or '', its attempt or 0, how many other tails
-- Returns 1 if the job is in the line.
local id, line = ARGV[1], ARGV[3]
local known = redis.call('HMGET', KEYS[1], 'status', 'line', 'owner', 'attempt')
if not known[1] or ended(known[1]) then return 0 end
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[5] then return 0 end
redis.call('DEL', KEYS[3])
redis.call('ZREM', KEYS[4], id)
for i = 5, 6 do redis.call('SREM', KEYS[i], id) end
for i = 10, #KEYS - ARGV[7] do redis.call('ZREM', KEYS[i], id) end
for i = #KEYS - ARGV[7] + 1, #KEYS do redis.call('SREM', KEYS[i], id) end
if known[2] ~= line then redis.call('HDEL', KEYS[1], 'place') end
redis.call('HSET', KEYS[1], 'status', 'queued', 'line', line, 'returned', ARGV[5])
if tonumber(ARGV[6]) > tonumber(known[4] or 0) then redis.call('HSET', KEYS[1], 'attempt', ARGV[6]) end
join(KEYS[7], KEYS[8], KEYS[9], ARGV[4], KEYS[1], id, known[3])
if known[1] ~= 'queued' then event(KEYS[2], ARGV[2], id, 'status', cjson.encode({status = 'queued'})) end
return 1
