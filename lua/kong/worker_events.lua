-- kong.worker_events: events between the parts of a worker.
--
-- A callback hears of a source, of one event of it, or of everything. Events reach the callbacks of
-- this worker; what all workers must know of caches travels by the cache itself.

local ipairs, pcall, type = ipairs, pcall, type

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

_M.subscribe = function(source, event, callback)
  _M.register(callback, source, event ~= "*" and event or nil)
end


function _M.unregister(callback, source, ...)
  local events = { ... }
  for i = #callbacks, 1, -1 do
    local entry = callbacks[i]
    local same = entry.callback == callback and entry.source == source
    if same and (#events == 0 or entry.event == events[1]) then
      table.remove(callbacks, i)
    end
  end
end


-- Tells an event to the callbacks of this worker. One that throws keeps no other from hearing it.
function _M.post_local(source, event, data)
  for _, entry in ipairs(callbacks) do
    if (not entry.source or entry.source == source) and (not entry.event or entry.event == event) then
      local ok, err = pcall(entry.callback, data, event, source, ngx.worker.pid())
      if not ok then
        ngx.log(ngx.ERR, "worker-events: event callback failed; source=", source,
          ", event=", event, ": ", err)
      end
    end
  end
  return "done"
end


function _M.post(source, event, data, _)
  if type(source) ~= "string" or source == "" then
    return nil, "source is required"
  elseif type(event) ~= "string" or event == "" then
    return nil, "event is required"
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
