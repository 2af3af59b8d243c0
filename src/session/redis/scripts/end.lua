-- Ends a session and gives it back: its name, record and idle_until. Every name of the session.
local name = found(3, #ARGV - 2)
if not name then
  return false
end
local record, idle = unpack(redis.call('HMGET', session(name), 'b', 'i'))
drop(name)
return { name, record, idle }
