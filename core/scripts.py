"""The Lua scripts in which a job's live record, its events, its place in a line and its lease change together.

Names inside Redis: `tailor:job:{id}` (hash), `tailor:events:{id}` (stream), `tailor:lease:{id}`, `tailor:open` (sorted
set of open jobs by time of acceptance), `tailor:line:{line}:{owner}` (sorted set of ready jobs by time of acceptance),
`tailor:owners:{line}` (sorted set of owners by the turn when they are next), `tailor:turn:{line}`.
"""

from __future__ import annotations

# Shared: each script begins with the functions that it needs.
_EVENT = """
local function event(events, id, kind, data)
  redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', 'type', kind, 'data', data)
  redis.call('PUBLISH', 'tailor:changed', id)
end
local function ended(status)
  return status == 'succeeded' or status == 'failed' or status == 'canceled'
end
"""

# An owner gets the next turn when it begins to wait, and another one each time it was served: round-robin.
_LINE = """
local function join(line, owner, id, created)
  redis.call('ZADD', 'tailor:line:' .. line .. ':' .. owner, 'NX', created, id)
  if not redis.call('ZSCORE', 'tailor:owners:' .. line, owner) then
    redis.call('ZADD', 'tailor:owners:' .. line, redis.call('INCR', 'tailor:turn:' .. line), owner)
  end
end
local function leave(line, owner, id)
  local key = 'tailor:line:' .. line .. ':' .. owner
  redis.call('ZREM', key, id)
  if redis.call('ZCARD', key) == 0 then redis.call('ZREM', 'tailor:owners:' .. line, owner) end
end
"""

# KEYS record, events; ARGV id, status, kind, owner, attempt, created, tail_id
OPEN = (
    _EVENT
    + _LINE
    + """
local id, status, kind, owner = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now = redis.call('HMGET', KEYS[1], 'status', 'line')
if now[1] then
  -- A record without its place among the open jobs would be seen by nobody.
  if not ended(now[1]) then redis.call('ZADD', 'tailor:open', ARGV[6], id) end
  return 0
end
redis.call('HSET', KEYS[1], 'status', status, 'kind', kind, 'owner', owner, 'line', kind, 'attempt', ARGV[5],
  'created', ARGV[6], 'tail_id', ARGV[7])
redis.call('ZADD', 'tailor:open', ARGV[6], id)
if status == 'queued' then join(kind, owner, id, ARGV[6]) end
if status == 'waiting' then redis.call('SADD', 'tailor:waiting', id) end
event(KEYS[2], id, 'status', cjson.encode({status = status}))
return 1
"""
)

# KEYS record, events; ARGV id, attempt, event type, event data, then names and values
CHANGE = (
    _EVENT
    + """
local now = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if not now[1] or ended(now[1]) or tonumber(now[2] or 0) > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'attempt', ARGV[2], unpack(ARGV, 5))
event(KEYS[2], ARGV[1], ARGV[3], ARGV[4])
return 1
"""
)

# KEYS record, events; ARGV id, status, seconds to keep
ENDED = (
    _EVENT
    + _LINE
    + """
local now = redis.call('HMGET', KEYS[1], 'status', 'line', 'owner')
redis.call('ZREM', 'tailor:open', ARGV[1])
redis.call('SREM', 'tailor:waiting', ARGV[1])
redis.call('DEL', 'tailor:lease:' .. ARGV[1])
if now[1] and ended(now[1]) then return 0 end
if now[2] then leave(now[2], now[3], ARGV[1]) end
redis.call('HSET', KEYS[1], 'status', ARGV[2])
event(KEYS[2], ARGV[1], 'status', cjson.encode({status = ARGV[2]}))
redis.call('PUBLISH', 'tailor:canceled', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""
)

# ARGV line, token, lease in ms. A job whose record is gone or has ended is passed over.
CLAIM = (
    _EVENT
    + """
local line = ARGV[1]
local owners = 'tailor:owners:' .. line
while true do
  local owner = redis.call('ZRANGE', owners, 0, 0)[1]
  if not owner then return false end
  local key = 'tailor:line:' .. line .. ':' .. owner
  local id = redis.call('ZPOPMIN', key)[1]
  if redis.call('ZCARD', key) == 0 then redis.call('ZREM', owners, owner)
  else redis.call('ZADD', owners, redis.call('INCR', 'tailor:turn:' .. line), owner) end
  if id and redis.call('HGET', 'tailor:job:' .. id, 'status') == 'queued' then
    if redis.call('SET', 'tailor:lease:' .. id, ARGV[2], 'NX', 'PX', ARGV[3]) then return id end
  end
end
"""
)

# KEYS record, events, lease; ARGV id, line, token of the caller's lease or ''
ENQUEUE = (
    _EVENT
    + _LINE
    + """
local now = redis.call('HMGET', KEYS[1], 'status', 'line', 'owner', 'created')
if not now[1] or ended(now[1]) then return 0 end
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[3] then return 0 end
if holder then redis.call('DEL', KEYS[3]) end
redis.call('SREM', 'tailor:waiting', ARGV[1])
redis.call('HSET', KEYS[1], 'returned', ARGV[3])
if now[2] ~= ARGV[2] then leave(now[2], now[3], ARGV[1]) end
redis.call('HSET', KEYS[1], 'status', 'queued', 'line', ARGV[2])
join(ARGV[2], now[3], ARGV[1], now[4])
if now[1] ~= 'queued' then event(KEYS[2], ARGV[1], 'status', cjson.encode({status = 'queued'})) end
return 1
"""
)

# KEYS record, lease; ARGV id. For a queued job that stands in no line: a worker died between taking it and claiming it.
REJOIN = (
    _EVENT
    + _LINE
    + """
local now = redis.call('HMGET', KEYS[1], 'status', 'line', 'owner', 'created')
if now[1] ~= 'queued' or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
join(now[2], now[3], ARGV[1], now[4])
return 1
"""
)

# KEYS record, events, lease; ARGV id, attempt, token, lease in ms
STARTED = (
    _EVENT
    + """
if redis.call('GET', KEYS[3]) ~= ARGV[3] then return 0 end
redis.call('PEXPIRE', KEYS[3], ARGV[4])
redis.call('HSET', KEYS[1], 'status', 'running', 'attempt', ARGV[2])
event(KEYS[2], ARGV[1], 'status', cjson.encode({status = 'running', attempt = tonumber(ARGV[2])}))
return 1
"""
)

# KEYS record, events, lease; ARGV id, token, attempt, lease in ms
RENEW = (
    _EVENT
    + _LINE
    + """
local holder = redis.call('GET', KEYS[3])
if holder == ARGV[2] then return redis.call('PEXPIRE', KEYS[3], ARGV[4]) end
if holder then return 0 end
local now = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'line', 'owner', 'returned')
if now[1] and (ended(now[1]) or now[5] == ARGV[2] or tonumber(now[2] or 0) > tonumber(ARGV[3])) then return 0 end
if now[1] == 'queued' then
  leave(now[3], now[4], ARGV[1])
  event(KEYS[2], ARGV[1], 'status', cjson.encode({status = 'running', attempt = tonumber(ARGV[3])}))
end
if now[1] then redis.call('HSET', KEYS[1], 'status', 'running', 'attempt', ARGV[3]) end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[4])
return 1
"""
)

# KEYS lease; ARGV token
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"

# KEYS record, events, lease; ARGV id, line
REAP = (
    _EVENT
    + _LINE
    + """
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
local now = redis.call('HMGET', KEYS[1], 'status', 'owner', 'created')
if now[1] ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'status', 'queued', 'line', ARGV[2])
join(ARGV[2], now[2], ARGV[1], now[3])
event(KEYS[2], ARGV[1], 'status', cjson.encode({status = 'queued', reason = 'the worker was lost'}))
return 1
"""
)

# ARGV line
READY = """
local total = 0
for _, owner in ipairs(redis.call('ZRANGE', 'tailor:owners:' .. ARGV[1], 0, -1)) do
  total = total + redis.call('ZCARD', 'tailor:line:' .. ARGV[1] .. ':' .. owner)
end
return total
"""

# ARGV id, line, owner. Round-robin: before the owner's r-th job each other owner gets at most r + 1 turns.
POSITION = """
local rank = redis.call('ZRANK', 'tailor:line:' .. ARGV[2] .. ':' .. ARGV[3], ARGV[1])
if not rank then return 0 end
local ahead = rank
for _, owner in ipairs(redis.call('ZRANGE', 'tailor:owners:' .. ARGV[2], 0, -1)) do
  if owner ~= ARGV[3] then
    ahead = ahead + math.min(rank + 1, redis.call('ZCARD', 'tailor:line:' .. ARGV[2] .. ':' .. owner))
  end
end
return ahead
"""

ALL = {
    "open": OPEN,
    "change": CHANGE,
    "ended": ENDED,
    "claim": CLAIM,
    "enqueue": ENQUEUE,
    "rejoin": REJOIN,
    "started": STARTED,
    "renew": RENEW,
    "release": RELEASE,
    "reap": REAP,
    "ready": READY,
    "position": POSITION,
}
