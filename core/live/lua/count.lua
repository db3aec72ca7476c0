-- Lets one at a time count anew, and keeps what was counted.
-- KEYS count, who counts anew
-- ARGV token, seconds that a count may take, what was counted or '' when it was not finished, seconds to keep it
-- Returns 1 if the token may count, or has counted.
local who = redis.call('HGET', KEYS[2], 'token')
if not who then
  redis.call('HSET', KEYS[2], 'token', ARGV[1])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
  return 1
end
if who ~= ARGV[1] then return 0 end
if ARGV[3] ~= '' then
  local meanwhile = redis.call('HGET', KEYS[2], 'meanwhile') or 0
  redis.call('SET', KEYS[1], ARGV[3] + meanwhile, 'EX', ARGV[4])
end
redis.call('DEL', KEYS[2])
return 1
