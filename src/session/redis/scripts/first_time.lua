-- Whether a key is new, or its first one's time has passed. The key; now, until, how long Redis keeps it.
local held = redis.call('GET', KEYS[1])
if held and ARGV[1] < held then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
