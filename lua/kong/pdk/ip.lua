-- kong.ip: which peers are trusted to speak for others.

local is_valid_ip_or_cidr = require("kong.tools.ip").is_valid_ip_or_cidr
local native = require "kong.native"

local ipairs = ipairs


local function new(kong)
  local blocks, every = {}, {}
  for _, address in ipairs(kong.configuration.trusted_ips or {}) do
    if is_valid_ip_or_cidr(address) then
      blocks[#blocks + 1] = address
      every[address] = true
    end
  end

  local _IP = {}
  if #blocks == 0 then
    function _IP.is_trusted()
      return false
    end
  elseif every["0.0.0.0/0"] and every["::/0"] then
    function _IP.is_trusted()
      return true
    end
  else
    local trusted = native.address_set(blocks)
    function _IP.is_trusted(address)
      return trusted:has(address)
    end
  end
  return _IP
end


return { new = new }
