-- Sends the requests of a file in turn, and tells the figures as one line of JSON.
-- A record of the file is a line "<bytes of the body> <header: value, or ->" and then the body.
local requests = {}
local at = 0

function init(args)
  local file = io.open(os.getenv("BODIES"), "rb")
  while true do
    local line = file:read("*l")
    if line == nil then break end
    local size, header = line:match("^(%d+) (.*)$")
    local headers = {}
    for name, value in pairs(wrk.headers) do headers[name] = value end
    if header ~= "-" then
      local name, value = header:match("^(.-): (.*)$")
      headers[name] = value
    end
    requests[#requests + 1] = wrk.format("POST", nil, headers, file:read(tonumber(size)))
  end
  file:close()
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p95_ms": %.4f, "p99_ms": %.4f,' ..
    ' "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
