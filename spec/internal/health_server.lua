-- What `spec.fixtures.https_server` serves: a target of a balancer whose health a spec turns on and off.

local cjson = require "cjson"

local ngx = ngx
local find, gsub, match = string.find, string.gsub, string.match
local pairs, tonumber = pairs, tonumber

local VALUES, LOGS = "kong_spec_health", "kong_spec_requests"
-- How long a target that times out keeps who asks it waiting, in seconds.
local TIMEOUT = 4
-- The status that a request counts as whose answer comes too late.
local TOO_LATE = 599

local server = { dicts = { VALUES .. " 512k", LOGS .. " 5m" } }


-- The request's host without a port; one address has a short form, too.
local function host()
  local value = ngx.req.get_headers(0)["host"] or "localhost"
  local address = match(value, "^%[.-%]") or gsub(value, ":%d+$", "")
  return address == "[0000:0000:0000:0000:0000:0000:0000:0001]" and "[::1]" or address
end


local function set(name, value, what)
  ngx.shared[VALUES]:set(host() .. "_" .. name, value)
  ngx.say("server " .. host() .. " is " .. what)
end

function server.healthy()
  ngx.shared[VALUES]:set(host() .. "_timeout", false)
  set("healthy", true, "now healthy")
end

function server.unhealthy()
  set("healthy", false, "now unhealthy")
end

function server.timeout()
  set("timeout", true, "timeouting now")
end


-- ---- requests -------------------------------------------------------------------------------

local function record()
  local args = ngx.req.get_uri_args(0)
  local key, logs = args.key or "default", ngx.shared[LOGS]
  if not args.do_not_log then
    logs:rpush("log:" .. key, cjson.encode {
      time = ngx.now(), method = ngx.req.get_method(), headers = ngx.req.get_headers(0),
    })
  end
  return key
end

function server.log()
  local key, logs, list = record(), ngx.shared[LOGS], {}
  for i = 1, logs:llen("log:" .. key) or 0 do
    local entry = logs:lpop("log:" .. key)
    logs:rpush("log:" .. key, entry)
    list[i] = entry
  end
  ngx.say("[" .. table.concat(list, ",") .. "]")
end

function server.clear_log()
  local logs = ngx.shared[LOGS]
  for _, key in pairs(logs:get_keys(0)) do
    if find(key, "^log:") then
      logs:delete(key)
    end
  end
  ngx.say("cleared")
end

function server.always_200()
  ngx.say("ok")
end


-- ---- answers by health ----------------------------------------------------------------------

-- Counts an answer, of all and of the host.
local function count(kind, status)
  local logs, outcome = ngx.shared[LOGS], status == 200 and "ok" or "fail"
  logs:incr("count:" .. kind .. outcome, 1, 0)
  logs:incr("count:" .. host() .. "|" .. kind .. outcome, 1, 0)
end

local function answer(kind, delay)
  record()
  local values = ngx.shared[VALUES]
  local status = values:get(host() .. "_healthy") ~= false and 200 or 500
  if values:get(host() .. "_timeout") then
    count(kind, TOO_LATE)
    ngx.sleep(TIMEOUT)
  else
    count(kind, status)
  end
  ngx.sleep((delay or 0) / 1000)
  ngx.status = status
  ngx.exit(status)
end

function server.status()
  answer("status_")
end

function server.slash()
  answer("", tonumber(ngx.shared[VALUES]:get("delay") or ngx.ctx.spec_variables.delay))
end

-- The counts so far.
function server.counts()
  local counts = {}
  local logs = ngx.shared[LOGS]
  for _, key in pairs(logs:get_keys(0)) do
    local name = match(key, "^count:(.+)$")
    if name then
      counts[name] = logs:get(key)
    end
  end
  ngx.print(cjson.encode(counts))
end


return server
