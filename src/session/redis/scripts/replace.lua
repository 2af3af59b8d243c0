-- Writes a session that is still at a version, under the first of its names: that moves it to the ring's first
-- key. The version wanted, record, version, opened, idle_until, ends, indexes, then every name of the session.
local name = found(10, #ARGV - 9)
if not name then
  return 'gone'
end
local _, idle, ends, order = times(name)
if not is_live(idle, ends) then
  return 'gone'
end
if redis.call('HGET', session(name), 'v') ~= ARGV[3] then
  return 'changed'
end
drop(name)
put(ARGV[10], ARGV[4], ARGV[5], ARGV[6], max(idle, ARGV[7]), ARGV[8], order, ARGV[9])
if ARGV[10] ~= name then
  tell(ARGV[10])
end
return 'done'
