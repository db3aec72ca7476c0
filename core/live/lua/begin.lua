-- Begins a job's record, unless there is one; a queued job gets into its line.
-- needs: event ended join now
-- KEYS record, events, open jobs, deadlines, waiting jobs, those waiting for its tail, line, turns, lines in use, leases, the owner's open jobs, its spec, then those waiting for its other tails
-- ARGV id, channel of changes, status, kind, owner, attempt, created, deadline in ms, line and model, lease in ms, how much it asks for, the spec, how many jobs of a line have theirs here, for how many s
-- Returns 1 if the record is new.
local id, status = ARGV[1], ARGV[3]
local known = redis.call('HGET', KEYS[1], 'status')
if not known or not ended(known) then
  -- A record without its place among the open jobs would be seen by nobody.
  redis.call('ZADD', KEYS[3], ARGV[7], id)
  redis.call('ZADD', KEYS[4], ARGV[8], id)
  redis.call('ZADD', KEYS[11], ARGV[8], id)
end
if known then return 0 end
redis.call('HSET', KEYS[1], 'status', status, 'kind', ARGV[4], 'owner', ARGV[5], 'line', ARGV[4], 'attempt', ARGV[6], 'work', ARGV[11])
if status == 'queued' then
  join(KEYS[7], KEYS[8], KEYS[9], ARGV[9], KEYS[1], id, ARGV[5])
  -- Whoever claims it soon need not ask storage; what waits for long would only take memory.
  if redis.call('ZCARD', KEYS[7]) <= tonumber(ARGV[13]) then redis.call('SET', KEYS[12], ARGV[12], 'EX', ARGV[14]) end
end
-- Whoever runs it renews its lease within one period; otherwise it is reaped.
if status == 'running' then redis.call('ZADD', KEYS[10], 'NX', now() + ARGV[10], id) end
if status == 'waiting' then
  redis.call('SADD', KEYS[5], id)
  redis.call('SADD', KEYS[6], id)
  for i = 13, #KEYS do redis.call('SADD', KEYS[i], id) end
end
event(KEYS[2], ARGV[2], id, 'status', cjson.encode({status = status}))
return 1
