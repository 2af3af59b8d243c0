-- Puts a new session in and ends the oldest of its user at its client beyond per_user.
-- per_user, name, record, version, opened, idle_until, ends, indexes, then every name of the client's index.
local per_user, name, record, version = tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local opened, idle, ends, indexes = ARGV[7], ARGV[8], ARGV[9], ARGV[10]

if found(4, 1) then
  drop(name)
end

local live = {}
for place = 11, #ARGV do
  local index = base .. ARGV[place]
  for _, other in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local other_opened, other_idle, other_ends, order = times(other)
    if not other_opened then
      redis.call('ZREM', index, other)
    elseif is_live(other_idle, other_ends) then
      live[#live + 1] = { name = other, opened = other_opened, order = order }
    end
  end
end
table.sort(live, function(a, b)
  if a.opened == b.opened then return a.order < b.order end
  return a.opened < b.opened
end)
for place = 1, #live - (per_user - 1) do
  drop(live[place].name)
end

local seconds, micro = unpack(redis.call('TIME'))
put(name, record, version, opened, idle, ends, string.format('%012d%06d', seconds, micro), indexes)
