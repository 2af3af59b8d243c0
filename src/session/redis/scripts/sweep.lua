-- Drops sessions that are over, some at once; how many it dropped. How many at once.
local names = redis.call('ZRANGEBYSCORE', base .. 'all', '-inf', micros(now), 'LIMIT', 0, ARGV[3])
local dropped = 0
for _, name in ipairs(names) do
  local _, idle, ends = times(name)
  -- Less than a microsecond too early: the next sweep's.
  if not idle or not is_live(idle, ends) then
    drop(name)
    dropped = dropped + 1
  end
end
return dropped
