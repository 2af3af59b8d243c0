-- What the scripts on sessions share; stands before each of them.
--
-- KEYS[1] is the base of a partition: every key that a script touches begins with it, and its hash tag puts them
-- all into one slot of a Cluster. ARGV[1] is the channel on which replicas hear of changes, ARGV[2] the time.
-- Times are nanoseconds in 21 digits, which compare as text; a number of Lua's would lose their end.
--
--   BASE s:NAME  a session, as a hash: b the sealed record, v its version, o opened, i idle_until, e ends,
--                n the order of opening, x the indexes that hold it
--   BASE all     every session by when it is over, in microseconds
--   BASE INDEX   the sessions of a user, client, tenant or sid by `opened`, in microseconds
local base, channel, now = KEYS[1], ARGV[1], ARGV[2]

-- What Redis itself may sweep, ten minutes after we would have: so much may clocks differ.
local SPARED_MS = 600000

local function session(name)
  return base .. 's:' .. name
end

local function micros(time)
  return string.sub(time, 1, 18)
end

local function min(a, b)
  if a < b then return a else return b end
end

local function max(a, b)
  if a < b then return b else return a end
end

local function tell(name)
  redis.call('PUBLISH', channel, name)
end

-- A key that others share lives as long as the longest of them.
local function keep(key, ends)
  local left = tonumber(string.sub(ends, 1, 15)) - tonumber(string.sub(now, 1, 15)) + SPARED_MS
  if redis.call('PTTL', key) < left then
    redis.call('PEXPIRE', key, string.format('%.0f', left))
  end
end

-- opened, idle_until, ends, order, of a session that is there, over or not.
local function times(name)
  return unpack(redis.call('HMGET', session(name), 'o', 'i', 'e', 'n'))
end

local function is_live(idle, ends)
  return now < idle and now < ends
end

local function put(name, record, version, opened, idle, ends, order, indexes)
  redis.call('HSET', session(name), 'b', record, 'v', version, 'o', opened, 'i', idle, 'e', ends, 'n', order,
    'x', indexes)
  keep(session(name), ends)
  redis.call('ZADD', base .. 'all', micros(min(idle, ends)), name)
  keep(base .. 'all', ends)
  for index in string.gmatch(indexes, '%S+') do
    redis.call('ZADD', base .. index, micros(opened), name)
    keep(base .. index, ends)
  end
end

-- Takes a session out of everything that names it, and tells.
local function drop(name)
  local indexes = redis.call('HGET', session(name), 'x')
  if indexes then
    for index in string.gmatch(indexes, '%S+') do
      redis.call('ZREM', base .. index, name)
    end
  end
  redis.call('DEL', session(name))
  redis.call('ZREM', base .. 'all', name)
  tell(name)
end

-- The first of these names, from ARGV[at] on, under which a session stands.
local function found(at, count)
  for place = at, at + count - 1 do
    if redis.call('EXISTS', session(ARGV[place])) == 1 then
      return ARGV[place]
    end
  end
end
