-- resty.session.properties: what a session tells of itself, and fields that pass it on.
local base64 = require "ngx.base64"
local of = require("resty.session.settings").of

local encode64 = base64.encode_base64url
local ngx = ngx
local ipairs, tostring = ipairs, tostring

local HEADERS = {
  id = "Session-Id", audience = "Session-Audience", subject = "Session-Subject",
  timeout = "Session-Timeout", ["idling-timeout"] = "Session-Idling-Timeout",
  ["rolling-timeout"] = "Session-Rolling-Timeout", ["absolute-timeout"] = "Session-Absolute-Timeout",
}

local function option(self, name)
  return of(self.configuration, name)
end

local function left(limit, since)
  return limit ~= 0 and limit - since or nil
end

local PROPERTIES = {
  id = function(_, head) return encode64(head.id) end,
  nonce = function(_, head) return head.id end,
  audience = function(self) return self:get_audience() end,
  subject = function(self) return self:get_subject() end,
  ["idling-timeout"] = function(self, head, age)
    return left(option(self, "idling_timeout"), age - head.rolling - head.idling)
  end,
  ["rolling-timeout"] = function(self, head, age)
    return left(option(self, "rolling_timeout"), age - head.rolling)
  end,
  ["absolute-timeout"] = function(self, _, age)
    return left(option(self, "absolute_timeout"), age)
  end,
}


local function set_headers(self, put, names)
  for _, name in ipairs(names) do
    local value = self:get_property(name)
    if value ~= nil and HEADERS[name] then
      put(HEADERS[name], tostring(value))
    end
  end
  return true
end


-- Adds the methods to those of sessions.
return function(methods)
  function methods:get_property(name)
    local head = self.head
    if not head then
      return nil
    end
    local age = ngx.time() - head.created
    if name == "timeout" then
      local closest
      for _, kind in ipairs { "idling-timeout", "rolling-timeout", "absolute-timeout" } do
        local time = PROPERTIES[kind](self, head, age)
        if time and (not closest or time < closest) then
          closest = time
        end
      end
      return closest
    end
    local property = PROPERTIES[name]
    return property and property(self, head, age)
  end

  function methods:set_request_headers(...)
    local names = { ... }
    return set_headers(self, ngx.req.set_header, names[1] and names or option(self, "request_headers") or {})
  end

  function methods:set_response_headers(...)
    local names = { ... }
    return set_headers(self, function(name, value)
      ngx.header[name] = value
    end, names[1] and names or option(self, "response_headers") or {})
  end

  function methods:set_headers(...)
    self:set_request_headers(...)
    return self:set_response_headers(...)
  end
end
