--- Anonymous reports. This gateway sends none: what plugins would have reported is kept for them to read, and
-- goes nowhere.

local enabled = false
local values = {}

local function nothing() end

local _M = {
  init_worker = nothing,
  log = nothing,
  admin_gui_log = nothing,
  send = nothing,
  send_ping = nothing,
  configure_ping = nothing,
  add_immutable_value = nothing,
  _sync_counter = nothing,
  _create_counter = nothing,
}


function _M.init(configuration)
  enabled = configuration.anonymous_reports or false
end


function _M.toggle(enable)
  enabled = enable
end


function _M.add_ping_value(name, value)
  values[name] = value
end


function _M.get_ping_value(name)
  return values[name]
end


local asked_version = false


--- Asks a Redis, once in a worker's life, which version it is.
function _M.retrieve_redis_version(redis)
  if not enabled or asked_version then
    return
  end
  asked_version = true
  local text, err = redis:info("server")
  if type(text) ~= "string" then
    ngx.log(ngx.WARN, "failed to retrieve Redis version: ", err)
    text = ""
  end
  values.redis_version = text:match("redis_version:(%d+%.%d+)") or "unknown"
end


return _M
