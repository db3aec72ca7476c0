-- Makes the caller the leader, or keeps it the leader. When nobody has watched for a while, Redis, its clock or all
-- processes stood still, and every lease may have run out at once: then nobody is reaped for one whole lease.
-- Then, and when it is empty, Redis may lack open jobs: the epoch says who has begun to fill it from storage, until
-- `filled` says that it is done. Another leader begins anew, since nobody knows how far a process came that died.
-- needs: now
-- KEYS leader, watched, grace, epoch
-- ARGV process, leadership in ms, longest gap in ms, lease in ms
-- Returns {1 if the caller leads, 1 if the caller is to fill Redis and was not told before, now in ms, until when
-- nobody is reaped, the filling that is under way or an empty text}.
local leader = redis.call('GET', KEYS[1])
local time = now()
if leader and leader ~= ARGV[1] then return {0, 0, time, 0, ''} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local watched = tonumber(redis.call('GET', KEYS[2]) or 0)
if time - watched > tonumber(ARGV[3]) or time < watched then
  redis.call('SET', KEYS[3], time + ARGV[4])
  redis.call('DEL', KEYS[4])
end
redis.call('SET', KEYS[2], time)
local begun, lost = 'begun ' .. ARGV[1] .. ' ', 0
local epoch = redis.call('GET', KEYS[4])
if not epoch or (string.sub(epoch, 1, 6) == 'begun ' and string.sub(epoch, 1, #begun) ~= begun) then
  epoch, lost = begun .. time, 1
  redis.call('SET', KEYS[4], epoch)
end
local filling = string.sub(epoch, 1, 6) == 'begun ' and epoch or ''
return {1, lost, time, tonumber(redis.call('GET', KEYS[3]) or 0), filling}
