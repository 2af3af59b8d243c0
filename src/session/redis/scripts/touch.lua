-- Moves idle_until on. idle_until, then every name of the session.
local name = found(4, #ARGV - 3)
if not name then
  return 0
end
local _, idle, ends = times(name)
if not is_live(idle, ends) then
  return 0
end
idle = max(idle, ARGV[3])
redis.call('HSET', session(name), 'i', idle)
redis.call('ZADD', base .. 'all', micros(min(idle, ends)), name)
return 1
