-- Tells whether nothing can change any more.
local function ended(status)
  return status == 'succeeded' or status == 'failed' or status == 'canceled'
end
