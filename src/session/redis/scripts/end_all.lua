-- Ends the sessions of one index opened before a time, some at once: how many were live, how many are to be
-- passed over at the next call, and whether there may be more. The index, before (empty: any), how many to pass
-- over, how many at once.
local index, before, spared, at_once = base .. ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local last = '+inf'
if before ~= '' then
  last = micros(before)
end
local names = redis.call('ZRANGEBYSCORE', index, '-inf', last, 'LIMIT', spared, at_once)
local live = 0
for _, name in ipairs(names) do
  local opened, idle, ends = times(name)
  if not opened then
    redis.call('ZREM', index, name)
  elseif before == '' or opened < before then
    if is_live(idle, ends) then
      live = live + 1
    end
    drop(name)
  else
    spared = spared + 1
  end
end
return { live, spared, #names }
