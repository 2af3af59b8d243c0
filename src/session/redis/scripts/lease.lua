-- Takes a lease that nobody holds; its fence, as text: Lua's integers go back cut to what fits a reply's.
-- The lease: u until, f its fence. Now, until, how long Redis keeps it.
local held_until, fence = unpack(redis.call('HMGET', KEYS[1], 'u', 'f'))
if held_until and ARGV[1] < held_until then
  return false
end
-- By the server's time, so that a fence grows also where the last lease was forgotten or lost in a failover.
local seconds, micro = unpack(redis.call('TIME'))
local next_fence = tonumber(seconds) * 1000000 + tonumber(micro)
if fence and tonumber(fence) >= next_fence then
  next_fence = tonumber(fence) + 1
end
fence = string.format('%.0f', next_fence)
redis.call('HSET', KEYS[1], 'u', ARGV[2], 'f', fence)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return fence
