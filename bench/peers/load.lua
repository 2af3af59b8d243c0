-- What wrk sends, told by `key=value` after `--`, and what it found, as one line of JSON.
--   header=NAME:VALUE   a header of every request, more than once
--   post=FILE           a form to POST
--   tokens=FILE hosts=N first=I
--                       a bearer of the file and a host tNNN.example.com, no pair twice; I is the first host
--   opaque=PREFIX       an opaque bearer that nobody sent before
--   spin=US             works so long on each answer: the load is then slower than any server, and the same for all
--   pause=MS            each connection waits so long between requests, on average (0 to twice that, evenly)

local function lines(path)
  local all = {}
  for line in io.lines(path) do all[#all + 1] = line end
  return all
end

local function head(host, bearer)
  local headers = { "GET " .. wrk.path .. " HTTP/1.1", "Host: " .. host }
  for name, value in pairs(wrk.headers) do
    if name ~= "Host" then headers[#headers + 1] = name .. ": " .. value end
  end
  headers[#headers + 1] = "Authorization: Bearer " .. bearer
  return table.concat(headers, "\r\n")
end

local function each_token(path, hosts, first)
  local tokens, heads = lines(path), {}
  local at, host = 0, first
  for i = 0, hosts - 1 do heads[i] = head(string.format("t%03d.example.com", i), "") end
  function request()
    at = at + 1
    if at > #tokens then at, host = 1, host + 1 end
    if host >= hosts then error("more requests than pairs of host and token: raise hosts") end
    return heads[host] .. tokens[at] .. "\r\n\r\n"
  end
end

local function each_opaque(prefix)
  local start, count = head(wrk.headers["Host"], prefix), 0
  function request()
    count = count + 1
    return start .. count .. "\r\n\r\n"
  end
end

function init(args)
  local told = {}
  for _, argument in ipairs(args) do
    local key, value = argument:match("^(%w+)=(.*)$")
    if key == "header" then
      local name, text = value:match("^([^:]+):%s*(.*)$")
      wrk.headers[name] = text
    elseif key then
      told[key] = value
    end
  end
  if told.post then
    local file = assert(io.open(told.post))
    wrk.method, wrk.body = "POST", file:read("*a")
    wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
    file:close()
  end
  if told.tokens then each_token(told.tokens, tonumber(told.hosts), tonumber(told.first)) end
  if told.opaque then each_opaque(told.opaque) end
  if told.spin then
    local long = tonumber(told.spin) / 1e6
    function response()
      local until_then = os.clock() + long
      while os.clock() < until_then do end
    end
  end
  if told.pause then
    local most = 2 * tonumber(told.pause)
    math.randomseed(os.time())
    function delay() return math.random(0, most) end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
