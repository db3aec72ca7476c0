-- Says that Redis knows all open jobs again, unless it was emptied meanwhile or another process has begun anew.
-- KEYS epoch
-- ARGV the filling, as `watch` returned it
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], 'filled') end
return 0
