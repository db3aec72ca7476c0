-- Puts a job into a line as queued, unless another attempt holds its lease or it has ended.
-- needs: event ended join
-- KEYS record, events, lease, waiting jobs, line, turns of the line, then the other lines
-- ARGV id, channel of changes, name of the line, token of the caller's lease or ''
-- Returns 1 if the job is in the line.
local id, line = ARGV[1], ARGV[3]
local known = redis.call('HMGET', KEYS[1], 'status', 'line', 'owner')
if not known[1] or ended(known[1]) then return 0 end
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[4] then return 0 end
if holder then redis.call('DEL', KEYS[3]) end
redis.call('SREM', KEYS[4], id)
for i = 7, #KEYS do redis.call('ZREM', KEYS[i], id) end
if known[2] ~= line then redis.call('HDEL', KEYS[1], 'place') end
redis.call('HSET', KEYS[1], 'status', 'queued', 'line', line, 'returned', ARGV[4])
join(KEYS[5], KEYS[6], KEYS[1], id, known[3])
if known[1] ~= 'queued' then event(KEYS[2], ARGV[2], id, 'status', cjson.encode({status = 'queued'})) end
return 1
