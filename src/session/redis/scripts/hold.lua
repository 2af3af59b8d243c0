-- Gives a lease that is still ours another end. The lease; now, its fence, until, how long Redis keeps it.
local held_until, fence = unpack(redis.call('HMGET', KEYS[1], 'u', 'f'))
if not held_until or fence ~= ARGV[2] or ARGV[1] >= held_until then
  return 0
end
redis.call('HSET', KEYS[1], 'u', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
