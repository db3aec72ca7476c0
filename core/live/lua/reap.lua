-- Queues a job again whose lease has run out, or is known to be a dead process' (its token is passed). A job that was
-- taken from its line and not begun returns there.
-- needs: event join
-- KEYS record, events, lease, leases, lines in use, counts, then per line of the job: line, turns
-- ARGV id, channel of changes, token of a dead process or '', line to go to if it ran, then per line: its name, line and model
-- Returns 1 for the one caller that did.
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[3] then return 0 end
redis.call('DEL', KEYS[3])
redis.call('ZREM', KEYS[4], ARGV[1])
local known = redis.call('HMGET', KEYS[1], 'status', 'line', 'owner')
if known[1] ~= 'running' and known[1] ~= 'queued' then return 0 end
redis.call('HINCRBY', KEYS[6], 'leases-lost', 1)
local line = known[2]
if known[1] == 'running' then line = ARGV[4] end
if line ~= known[2] then redis.call('HDEL', KEYS[1], 'place') end
redis.call('HSET', KEYS[1], 'status', 'queued', 'line', line)
for i = 0, (#KEYS - 6) / 2 - 1 do
  if ARGV[5 + 2 * i] == line then
    join(KEYS[7 + 2 * i], KEYS[8 + 2 * i], KEYS[5], ARGV[6 + 2 * i], KEYS[1], ARGV[1], known[3])
  end
end
if known[1] == 'running' then
  event(KEYS[2], ARGV[2], ARGV[1], 'status', cjson.encode({status = 'queued', reason = 'the worker was lost'}))
end
return 1
