-- Which phase runs, and which functions may be called in it.
--
-- A phase is a bit, a set of phases a number. The bits are those of the exchange.

local host = require "kong.host"

local bit = require "bit"
local error, ipairs, select, setmetatable = error, ipairs, select, setmetatable
local band, bor = bit.band, bit.bor
local concat = table.concat

-- In the order in which messages name them.
local ORDER = {
  { "init_worker", 2 }, { "certificate", 4 }, { "client_hello", 65536 }, { "rewrite", 8 },
  { "access", 16 }, { "balancer", 32 }, { "response", 64 }, { "cluster_listener", 131072 },
  { "header_filter", 128 }, { "body_filter", 256 }, { "log", 512 }, { "preread", 1024 },
  { "error", 2048 }, { "admin_api", 4096 },
}
local WITHOUT_PHASE = bor(1, 8192)

local phases = {}
local names = {}
for _, entry in ipairs(ORDER) do
  phases[entry[1]] = entry[2]
  phases[entry[2]] = entry[1]
  names[entry[2]] = entry[1]
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


local function listed(set)
  local list = {}
  for _, entry in ipairs(ORDER) do
    if band(set, entry[2]) ~= 0 then
      list[#list + 1] = entry[1]
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


local function refuse(phase, accepted)
  if band(phase, WITHOUT_PHASE) ~= 0 then
    error("no phase in ngx.ctx.KONG_PHASE, (need one of " .. listed(accepted) .. ")", 4)
  end
  error("function cannot be called in " .. names[phase] .. " phase (only in: " .. listed(accepted) .. ")", 4)
end


-- Throws unless the current phase is in the set.
function _M.check(accepted)
  local phase = host.phase()
  if band(phase, accepted) == 0 then
    refuse(phase, accepted)
  end
end


-- Throws if the current phase is in the set.
function _M.check_not(rejected)
  local phase = host.phase()
  if band(phase, WITHOUT_PHASE) ~= 0 then
    error("no phase in ngx.ctx.KONG_PHASE")
  elseif band(phase, rejected) ~= 0 then
    error("function cannot be called in " .. names[phase] .. " phase (can be called in any phases except: "
          .. listed(rejected) .. ")")
  end
end


-- The current phase's bit; nil where code runs for no request.
function _M.current()
  local phase = host.phase()
  return band(phase, WITHOUT_PHASE) == 0 and phase or nil
end


return _M
