-- Which phase runs, and which functions may be called in it.
--
-- A phase is a bit, a set of phases a number. The bits are those of the exchange.

local host = require "kong.host"

local bit = require "bit"
-- A function that a local holds costs compiled code nothing to find.
local current_phase, has_request = host.phase, require("host.running").has_request
local error, select, setmetatable = error, select, setmetatable
local band, bor, lshift = bit.band, bit.bor, bit.lshift
local concat = table.concat

local BITS = {
  init_worker = 0x1, certificate = 0x2, client_hello = 0x8, rewrite = 0x10, access = 0x20, balancer = 0x40,
  response = 0x80, cluster_listener = 0x100, header_filter = 0x200, body_filter = 0x400, log = 0x2000,
  preread = 0x4000, error = 0x1000000, admin_api = 0x10000000,
}
local HIGHEST = 29

local ERR_NONE = "no phase in ngx.ctx.KONG_PHASE"

local phases, names = { n = 30 }, {}
for name, phase in pairs(BITS) do
  phases[name], phases[phase], names[phase] = phase, name, name
end

phases.request = bor(phases.rewrite, phases.access, phases.balancer, phases.response,
                     phases.header_filter, phases.body_filter, phases.log, phases.error,
                     phases.admin_api, phases.cluster_listener)

setmetatable(phases, {
  __index = function(_, name)
    error("unknown phase or phase alias: " .. name)
  end,
})

local _M = { phases = phases }


-- The names of the phases in a set, in the order of their bits.
local function listed(set)
  local list = {}
  for shift = 0, HIGHEST do
    local name = names[lshift(1, shift)]
    if name and band(set, lshift(1, shift)) ~= 0 then
      list[#list + 1] = name
    end
  end
  return concat(list, ", ")
end


-- The set of the phases given.
function _M.new(...)
  local set = 0
  for i = 1, select("#", ...) do
    set = bor(set, (select(i, ...)))
  end
  return set
end


-- The phase that code without a request says it runs in: only its context can tell.
local function claimed(phase)
  if phase ~= 0 and names[phase] or has_request() then
    return phase
  end
  return ngx.ctx.KONG_PHASE or phase
end


local function is_none(phase)
  return not names[phase] and (phase == 0 or not has_request() and ngx.ctx.KONG_PHASE == nil)
end


local function refuse(phase, accepted)
  phase = claimed(phase)
  if band(phase, accepted) ~= 0 then
    return
  elseif is_none(phase) then
    error(ERR_NONE .. ", (need one of " .. listed(accepted) .. ")", 4)
  end
  error("function cannot be called in " .. (names[phase] or "'unknown phase'") .. " phase (only in: "
        .. listed(accepted) .. ")", 4)
end


-- Throws unless the current phase is in the set. Without a PDK in `kong` nothing is refused.
function _M.check(accepted)
  local phase = current_phase()
  if band(phase, accepted) == 0 and kong and kong.ctx then
    refuse(phase, accepted)
  end
end


-- Throws if the current phase is in the set.
function _M.check_not(rejected)
  local phase = current_phase()
  if names[phase] and band(phase, rejected) == 0 or not kong or not kong.ctx then
    return
  end
  phase = claimed(phase)
  if is_none(phase) then
    error(ERR_NONE)
  elseif band(phase, rejected) ~= 0 then
    error("function cannot be called in " .. (names[phase] or "'unknown phase'")
          .. " phase (can be called in any phases except: " .. listed(rejected) .. ")")
  end
end


-- The current phase's bit; nil where code runs for no request.
function _M.current()
  local phase = current_phase()
  return names[phase] and phase or nil
end


return _M
