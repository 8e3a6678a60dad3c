--- Targets have a port, the default one where none is given; lists of them begin with the newest.

local cjson = require "cjson"
local ip = require "kong.tools.ip"

local ipairs, min, setmetatable, sort, tonumber, tostring, type =
  ipairs, math.min, setmetatable, table.sort, tonumber, tostring, type

local DEFAULT_PORT = 8000
local INVALID = "Invalid target; not a valid hostname or ip address"

local _M = {}


-- Gives an entity's target its port; or nil and the error, as text and as a table.
local function complete(self, entity)
  if not entity.target then
    return true
  end
  local address = ip.normalize_ip(entity.target)
  local target = address and ip.format_host(address, DEFAULT_PORT)
  if not target then
    local err_t = self.errors:schema_violation { target = INVALID }
    return nil, tostring(err_t), err_t
  end
  entity.target = target
  return true
end


function _M:insert(entity, options)
  local ok, err, err_t = complete(self, entity)
  if not ok then
    return nil, err, err_t
  end
  return self.super.insert(self, entity, options)
end


-- Of two targets with one address in an upstream the newer one stays.
function _M:upsert(primary_key, entity, options)
  entity.id = primary_key.id
  local ok, err, err_t = complete(self, entity)
  if not ok then
    return nil, err, err_t
  end
  for known in self:each_for_upstream(entity.upstream, nil, { nulls = true }) do
    if known and known.target == entity.target then
      if (entity.created_at or 0) <= known.created_at then
        return true
      end
      ok, err, err_t = self.super.delete(self, known)
      if not ok then
        return nil, err, err_t
      end
      break
    end
  end
  return self.super.insert(self, entity, options)
end


function _M:upsert_by_target(target, entity, options)
  entity.target = target
  return self:insert(entity, options)
end


function _M:select(primary_key, options)
  local target, err, err_t = self.super.select(self, primary_key, options)
  if not target then
    return nil, err, err_t
  end
  local ok
  ok, err, err_t = complete(self, target)
  if not ok then
    return nil, err, err_t
  end
  return target
end


function _M:delete_by_target(target, options)
  local found, err, err_t = self:select_by_target(target)
  if err then
    return nil, err, err_t
  end
  return self.super.delete(self, found, options)
end


--- A page of the targets of an upstream, as they are stored.
function _M:page_for_upstream_raw(upstream, ...)
  local page, err, err_t, offset = self.super.page_for_upstream(self, upstream, ...)
  for _, target in ipairs(page or {}) do
    local ok
    ok, err, err_t = complete(self, target)
    if not ok then
      return nil, err, err_t
    end
  end
  return page, err, err_t, offset
end


--- All targets of an upstream, the oldest first.
function _M:select_by_upstream_raw(upstream, options)
  local targets = {}
  for target, err, err_t in self:each_for_upstream(upstream, nil, options) do
    local ok = target
    if ok then
      ok, err, err_t = complete(self, target)
    end
    if not ok then
      return nil, err, err_t
    end
    targets[#targets + 1] = target
  end
  sort(targets, function(a, b)
    if a.created_at == b.created_at then
      return a.id < b.id
    end
    return a.created_at < b.created_at
  end)
  return targets
end


--- A page of the targets of an upstream, the newest first, one for each address; the offset is a count.
function _M:page_for_upstream(upstream, size, offset, options)
  local targets, err, err_t = self:select_by_upstream_raw(upstream, options)
  if not targets then
    return nil, err, err_t
  end
  local newest, seen = {}, {}
  for i = #targets, 1, -1 do
    if not seen[targets[i].target] then
      newest[#newest + 1], seen[targets[i].target] = targets[i], true
    end
  end
  local pagination = type(options) == "table" and options.pagination or self.pagination
  size = min(size or pagination.page_size or self.pagination.page_size,
             pagination.max_page_size or self.pagination.max_page_size)
  local first = tonumber(offset) or 0
  local page = setmetatable({}, cjson.array_mt)
  for i = first + 1, first + size do
    page[#page + 1] = newest[i]
  end
  return page, nil, nil, newest[first + size + 1] and tostring(first + size) or nil
end


--- The newest target of an upstream with the id or the address of a filter.
function _M:select_by_upstream_filter(upstream, filter, options)
  local targets, err, err_t = self:select_by_upstream_raw(upstream, options)
  if not targets then
    return nil, err, err_t
  end
  for i = #targets, 1, -1 do
    if targets[i].id == filter.id or targets[i].target == filter.target then
      return targets[i]
    end
  end
end


return _M
