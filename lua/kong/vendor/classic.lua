--- Classes, as handlers of Kong before 3.0 are made of them.

local getmetatable, pairs, setmetatable, type = getmetatable, pairs, setmetatable, type

local Object = {}
Object.__index = Object


--- Called with the arguments of `Class(...)`.
function Object:new() end


--- A subclass: it has what this class has, and makes instances when it is called.
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


--- Takes over methods of other classes that this one does not have.
function Object:implement(...)
  for _, class in pairs { ... } do
    for name, method in pairs(class) do
      if self[name] == nil and type(method) == "function" then
        self[name] = method
      end
    end
  end
end


--- Whether this is an instance or a subclass of a class.
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


Object.is = Object.is_a


function Object.__tostring()
  return "Object"
end


function Object:__call(...)
  local instance = setmetatable({}, self)
  instance:new(...)
  return instance
end


return Object
