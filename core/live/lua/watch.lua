-- Makes the caller the leader, or keeps it the leader. When nobody has watched for a while, Redis, its clock or all
-- processes stood still, and every lease may have run out at once: then nobody is reaped for one whole lease.
-- needs: now
-- KEYS leader, watched, grace, epoch
-- ARGV process, leadership in ms, longest gap in ms, lease in ms
-- Returns {1 if the caller leads, 1 if Redis has lost its memory, now in ms, until when nobody is reaped}.
local leader = redis.call('GET', KEYS[1])
local time = now()
if leader and leader ~= ARGV[1] then return {0, 0, time, 0} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local watched = tonumber(redis.call('GET', KEYS[2]) or 0)
if time - watched > tonumber(ARGV[3]) or time < watched then redis.call('SET', KEYS[3], time + ARGV[4]) end
redis.call('SET', KEYS[2], time)
local lost = redis.call('SET', KEYS[4], time, 'NX') and 1 or 0
return {1, lost, time, tonumber(redis.call('GET', KEYS[3]) or 0)}
