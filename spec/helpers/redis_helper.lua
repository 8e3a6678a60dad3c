-- Redis servers of specs.

local redis = require "resty.redis"

local TIMEOUT = 2000

local helper = {}


-- A version as a list of numbers that can be compared and printed.
local function version_of(text)
  local numbers = {}
  for number in text:gmatch("%d+") do
    numbers[#numbers + 1] = tonumber(number)
  end
  local mt = {
    __tostring = function() return text end,
    __lt = function(a, b)
      for i = 1, 3 do
        if (a[i] or 0) ~= (b[i] or 0) then
          return (a[i] or 0) < (b[i] or 0)
        end
      end
      return false
    end,
  }
  return setmetatable(numbers, mt)
end


-- A client and the version of the server.
function helper.connect(host, port)
  local client = redis:new()
  client:set_timeout(TIMEOUT)
  assert(client:connect(host, port))
  local version = assert(client:info():match("redis_version:(%S+)"))
  local found, library = pcall(require, "version")
  return client, found and library(version) or version_of(version)
end


-- Empties a server.
function helper.reset_redis(host, port)
  local client = helper.connect(host, port)
  client:flushall()
  client:close()
end


function helper.add_admin_user(client, user, password)
  assert(client:acl("setuser", user, "on", "allkeys", "allcommands", ">" .. password))
end


function helper.add_basic_user(client, user, password)
  assert(client:acl("setuser", user, "on", "allkeys", "+get", ">" .. password))
end


function helper.remove_user(client, user)
  assert(client:acl("deluser", user))
end


return helper
