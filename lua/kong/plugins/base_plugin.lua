-- The class that handlers of Kong before 3.0 extend. Its phases do nothing.

local pairs, setmetatable, type = pairs, setmetatable, type

local PHASES = { "init_worker", "certificate", "rewrite", "access", "preread", "response",
                 "header_filter", "body_filter", "log", "configure" }

local Object = {}
Object.__index = Object


-- A subclass: it has what this class has, and makes instances when it is called.
function Object:extend()
  local class = {}
  for name, value in pairs(self) do
    if type(name) == "string" and name:find("^__") then
      class[name] = value
    end
  end
  class.__index = class
  class.super = self
  return setmetatable(class, self)
end


-- Whether this is an instance or a subclass of a class.
function Object:is_a(class)
  local mt = self
  while mt do
    if mt == class then
      return true
    end
    mt = getmetatable(mt)
  end
  return false
end


function Object:__call(...)
  local instance = setmetatable({}, self)
  instance:new(...)
  return instance
end


function Object:new() end


local BasePlugin = Object:extend()


function BasePlugin:new(name)
  self._name = name
end


for i = 1, #PHASES do
  BasePlugin[PHASES[i]] = function() end
end


return BasePlugin
