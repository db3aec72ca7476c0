-- Adds to a count, if there is one: what was not counted yet, is counted from storage.
-- KEYS count, who counts anew
-- ARGV how much
-- What comes while somebody counts may have come too late for it. What goes is not noted: a count that is too high is
-- made anew before anybody is refused, one that is too low lets too much in.
if tonumber(ARGV[1]) > 0 and redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HINCRBY', KEYS[2], 'meanwhile', ARGV[1]) end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('INCRBY', KEYS[1], ARGV[1])
