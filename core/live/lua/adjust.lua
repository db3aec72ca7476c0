-- Adds to a count, if there is one: what was not counted yet, is counted from storage.
-- KEYS count
-- ARGV how much
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('INCRBY', KEYS[1], ARGV[1])
