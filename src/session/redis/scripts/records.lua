-- The records of those of these names that are live. Every name.
local records = {}
for place = 3, #ARGV do
  local record, idle, ends = unpack(redis.call('HMGET', session(ARGV[place]), 'b', 'i', 'e'))
  if record and is_live(idle, ends) then
    records[#records + 1] = { ARGV[place], record, idle }
  end
end
return records
