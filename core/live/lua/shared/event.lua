-- Appends to a job's stream of events, and wakes whoever watches the job.
local function event(events, channel, id, kind, data)
  redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', 'type', kind, 'data', data)
  redis.call('PUBLISH', channel, id)
end
