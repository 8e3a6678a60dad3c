-- resty.jit-uuid: UUIDs, random ones and those made of a name.
local random_bytes = require("resty.random").bytes
local sha1_bin, md5_bin = ngx.sha1_bin, ngx.md5_bin

local bit = require "bit"
local band, bor = bit.band, bit.bor
local byte, char, format, gsub = string.byte, string.char, string.format, string.gsub
local lower, match = string.lower, string.match
local setmetatable, tonumber, type = setmetatable, tonumber, type

local FORM = "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x"
local PATTERN = "^(%x%x%x%x%x%x%x%x)%-?(%x%x%x%x)%-?(%x%x%x%x)%-?(%x%x%x%x)%-?(%x%x%x%x%x%x%x%x%x%x%x%x)$"

local _M = { _VERSION = "0.0.7" }


local function write(bytes, version)
  local a, b, c, d, e, f, g, h, i = byte(bytes, 1, 9)
  g = bor(band(g, 0x0f), version * 16)
  i = bor(band(i, 0x3f), 0x80)
  return format(FORM, a, b, c, d, e, f, g, h, i, byte(bytes, 10, 16))
end


-- The generator is the system's: nothing to seed.
function _M.seed(seed)
  return seed or ngx.time() + ngx.worker.pid()
end


function _M.is_valid(text)
  if type(text) ~= "string" then
    return false
  end
  return match(text, "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$") ~= nil
end


function _M.generate_v4()
  return write(random_bytes(16), 4)
end


local function bytes_of(uuid)
  local hex = gsub(uuid, "-", "")
  return (gsub(hex, "%x%x", function(digits) return char(tonumber(digits, 16)) end))
end

local function factory(digest, version)
  return function(namespace)
    if not match(type(namespace) == "string" and namespace or "", PATTERN) then
      return nil, "namespace must be a valid UUID"
    end
    local prefix = bytes_of(lower(namespace))
    return function(name)
      if type(name) ~= "string" then
        return nil, "name must be a string"
      end
      return write(digest(prefix .. name), version)
    end
  end
end

_M.factory_v3 = factory(md5_bin, 3)
_M.factory_v5 = factory(sha1_bin, 5)

function _M.generate_v3(namespace, name)
  local make, err = _M.factory_v3(namespace)
  if not make then
    return nil, err
  end
  return make(name)
end

function _M.generate_v5(namespace, name)
  local make, err = _M.factory_v5(namespace)
  if not make then
    return nil, err
  end
  return make(name)
end


local function generate()
  return _M.generate_v4()
end

return setmetatable(_M, { __call = generate, __tostring = generate })
