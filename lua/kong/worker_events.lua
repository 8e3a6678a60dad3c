-- kong.worker_events: events between the workers of a node, and between the parts of a worker.
--
-- A callback hears of a source, of one event of it, or of everything.

local encode = require("string.buffer").encode

local ngx = ngx
local ipairs, pcall, setmetatable, type = ipairs, pcall, setmetatable, type
local remove = table.remove

-- A VM without a gateway around it has nobody to tell.
local has_gateway, native = pcall(require, "kong.native")
local tell_workers = has_gateway and native.tell_workers or function() end

local WEAK = { __mode = "v" }

local callbacks = {}

local _M = {}


-- Has `callback(data, event, source, pid)` called for events; source and event may be left out.
function _M.register(callback, source, ...)
  local events = { ... }
  if #events == 0 then
    callbacks[#callbacks + 1] = { callback = callback, source = source }
  end
  for _, event in ipairs(events) do
    callbacks[#callbacks + 1] = { callback = callback, source = source, event = event }
  end
end

-- The same for a callback that is called as long as somebody else holds it.
function _M.register_weak(callback, source, ...)
  local first = #callbacks + 1
  _M.register(callback, source, ...)
  for i = first, #callbacks do
    setmetatable(callbacks[i], WEAK)
  end
end


_M.subscribe = function(source, event, callback)
  _M.register(callback, source, event ~= "*" and event or nil)
end


function _M.unregister(callback, source, ...)
  local events = { ... }
  for i = #callbacks, 1, -1 do
    local entry = callbacks[i]
    local same = entry.callback == callback and entry.source == source
    if same and (#events == 0 or entry.event == events[1]) then
      remove(callbacks, i)
    end
  end
end


-- Tells an event to the callbacks of this worker. One that throws keeps no other from hearing it.
function _M.post_local(source, event, data)
  for i = #callbacks, 1, -1 do
    if not callbacks[i].callback then
      remove(callbacks, i)
    end
  end
  for _, entry in ipairs(callbacks) do
    local callback = entry.callback
    if callback and (not entry.source or entry.source == source)
       and (not entry.event or entry.event == event) then
      local ok, err = pcall(callback, data, event, source, ngx.worker.pid())
      if not ok then
        ngx.log(ngx.ERR, "worker-events: event callback failed; source=", source,
          ", event=", event, ": ", err)
      end
    end
  end
  return "done"
end


-- Tells an event to the callbacks of this worker at once, and to those of all others of the node soon; one
-- that is `unique` to this worker alone.
function _M.post(source, event, data, unique)
  if type(source) ~= "string" or source == "" then
    return nil, "source is required"
  elseif type(event) ~= "string" or event == "" then
    return nil, "event is required"
  end
  if not unique then
    local ok, text = pcall(encode, data)
    if not ok then
      return nil, "failed to encode the data of an event: " .. text
    end
    tell_workers(source, event, text)
  end
  return _M.post_local(source, event, data)
end

_M.publish = _M.post

function _M.poll()
  return "done"
end


function _M.configure()
  return true
end


return _M
