-- kong.node: this machine and this process.

local native = require "kong.native"
local string_tools = require "kong.tools.string"

local ngx = ngx
local error, floor, ipairs, lower, pairs, pcall, sort, tonumber, type =
  error, math.floor, ipairs, string.lower, pairs, pcall, table.sort, tonumber, type

local MEMORY_KEY = "kong:mem:(%d+)"

local _NODE = {}


function _NODE.get_id()
  return native.node_id()
end


function _NODE.get_hostname()
  return native.hostname()
end


local function in_unit(bytes, unit, scale)
  if lower(unit) == "b" then
    return floor(bytes)
  end
  return string_tools.bytes_to_str(bytes, unit, scale)
end


-- Memory of one worker's Lua VM, or why it is not known.
local function vm(dict, key, pid, unit, scale)
  local kib, err = dict:get(key)
  if err or type(kib) ~= "number" then
    err = "could not get worker's HTTP Lua VM memory (pid: " .. pid .. "): "
          .. (err or "reported value is corrupted")
    return { pid = tonumber(pid), err = err }
  end
  return { pid = tonumber(pid), http_allocated_gc = in_unit(kib * 1024, unit, scale) }
end


-- Memory of each worker's Lua VM, as the workers last reported it.
local function vms(unit, scale)
  local list = {}
  local dict = ngx.shared.kong
  for _, key in ipairs(dict and dict:get_keys() or {}) do
    local pid = key:match(MEMORY_KEY)
    if pid then
      list[#list + 1] = vm(dict, key, pid, unit, scale)
    end
  end
  if not list[1] then
    local pid = ngx.worker.pid()
    for i, bytes in ipairs(native.lua_memory()) do
      list[i] = { pid = pid, http_allocated_gc = in_unit(bytes, unit, scale) }
    end
  end
  sort(list, function(a, b) return a.pid < b.pid end)
  return list
end


local function dicts(unit, scale)
  local by_name = {}
  for name, dict in pairs(ngx.shared) do
    local capacity = dict:capacity()
    by_name[name] = {
      capacity = in_unit(capacity, unit, scale),
      allocated_slabs = in_unit(capacity - dict:free_space(), unit, scale),
    }
  end
  return by_name
end


-- Memory in use, as bytes or as text in a unit with so many decimals.
function _NODE.get_memory_stats(unit, scale)
  unit, scale = unit or "b", scale or 2
  local valid, err = pcall(string_tools.bytes_to_str, 0, unit, scale)
  if not valid then
    error(err, 2)
  end
  return { workers_lua_vms = vms(unit, scale), lua_shared_dicts = dicts(unit, scale) }
end


return { new = function() return _NODE end }
