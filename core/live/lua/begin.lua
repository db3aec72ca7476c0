-- Begins a job's record, unless there is one; a queued job gets into its line.
-- needs: event ended join
-- KEYS record, events, open jobs, waiting jobs, line, turns of the line
-- ARGV id, channel of changes, status, kind, owner, attempt, created, tail
-- Returns 1 if the record is new.
local id, status = ARGV[1], ARGV[3]
local known = redis.call('HGET', KEYS[1], 'status')
if known then
  -- A record without its place among the open jobs would be seen by nobody.
  if not ended(known) then redis.call('ZADD', KEYS[3], ARGV[7], id) end
  return 0
end
redis.call('HSET', KEYS[1], 'status', status, 'kind', ARGV[4], 'owner', ARGV[5], 'line', ARGV[4],
  'attempt', ARGV[6], 'tail_id', ARGV[8])
redis.call('ZADD', KEYS[3], ARGV[7], id)
if status == 'queued' then join(KEYS[5], KEYS[6], KEYS[1], id, ARGV[5]) end
if status == 'waiting' then redis.call('SADD', KEYS[4], id) end
event(KEYS[2], ARGV[2], id, 'status', cjson.encode({status = status}))
return 1
