-- resty.openssl.objects: what things are called and numbered.
local native = require "resty.openssl.native"

local tonumber, type = tonumber, type

local _M = {}

local function entry(nid)
  local sn, ln, id = native.names(nid)
  if not sn then
    return nil
  end
  return { id = id, nid = nid, sn = sn, ln = ln }
end

function _M.nid2table(nid)
  return entry(nid)
end

-- The number of a name or number; nil and a message for what nobody knows.
function _M.txtnid2nid(name)
  local nid = type(name) == "string" and native.nid(name) or tonumber(name)
  if not nid or nid == 0 then
    return nil, "invalid NID text " .. name
  end
  return nid
end

function _M.txt2nid(name)
  if type(name) ~= "string" then
    return nil, "objects.txt2nid: expect a string at #1"
  end
  local nid = native.nid(name)
  if nid == 0 then
    return nil, "objects.txt2nid: invalid NID text " .. name
  end
  return nid
end

return _M
