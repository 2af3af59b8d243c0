-- Shows a result unless a higher fence was handed out. The lease, the result; the fence, the result's value, how
-- long Redis keeps it.
local fence = redis.call('HGET', KEYS[1], 'f')
if fence and tonumber(fence) > tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
