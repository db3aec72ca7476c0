-- Keeps an attempt's newest preview and tells it as an event; an older attempt's is dropped.
-- needs: event ended
-- KEYS record, events
-- ARGV id, channel of changes, attempt, event data
-- Returns 1 if it was written.
local known = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if not known[1] or ended(known[1]) or tonumber(known[2] or 0) > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'preview', ARGV[4])
event(KEYS[2], ARGV[2], ARGV[1], 'preview', ARGV[4])
return 1
