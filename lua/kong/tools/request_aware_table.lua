-- A table that belongs to one request at a time. With log_level debug an access by another request
-- is an error; otherwise nothing is checked.

local error, rawset, setmetatable, next = error, rawset, setmetatable, next
local request_id = require "kong.observability.tracing.request_id"

local ERR_CLEAR = "cannot set the 'clear' method of request aware table"
local ERR_FOREIGN = "concurrent access from different request to shared table detected"

local checked


local function wipe(data)
  for key in next, data do
    data[key] = nil
  end
end


local function new_unchecked()
  return setmetatable({}, {
    __index = { clear = wipe },
    __newindex = function(self, key, value)
      if key == "clear" then
        error(ERR_CLEAR, 2)
      end
      rawset(self, key, value)
    end,
  })
end


local function new_checked()
  local data, owner = {}, nil

  local function claim()
    local id = request_id.get()
    if id and owner and owner ~= id then
      error(ERR_FOREIGN, 3)
    end
    owner = id
  end

  local function clear()
    wipe(data)
    owner = nil
  end

  return setmetatable({}, {
    __index = function(_, key)
      if key == "clear" then
        return clear
      end
      claim()
      return data[key]
    end,
    __newindex = function(_, key, value)
      if key == "clear" then
        error(ERR_CLEAR, 2)
      end
      claim()
      data[key] = value
    end,
  })
end


return {
  -- The sizes that callers expect the table to reach are taken and not needed.
  new = function()
    if checked == nil then
      checked = kong.configuration.log_level == "debug"
    end
    return checked and new_checked() or new_unchecked()
  end,
}
