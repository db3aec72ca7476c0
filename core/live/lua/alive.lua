-- Returns what each living worker said last.
-- needs: now
-- KEYS workers, what they said
local alive = redis.call('ZRANGE', KEYS[1], '(' .. now(), '+inf', 'BYSCORE')
if #alive == 0 then return {} end
return redis.call('HMGET', KEYS[2], unpack(alive))
