-- resty.lrucache: a cache of so many items in this VM; the item used longest ago makes room.
--
-- Items form a ring through `before` and `after`; the anchor's `after` is the item used last.
local now = ngx.now
local error, setmetatable, tonumber, type = error, setmetatable, tonumber, type

local _M = { _VERSION = "0.15" }
local mt = { __index = _M }

local function unlink(item)
  item.before.after, item.after.before = item.after, item.before
end

local function put_first(anchor, item)
  local first = anchor.after
  item.before, item.after = anchor, first
  anchor.after, first.before = item, item
end

local function new_anchor()
  local anchor = {}
  anchor.before, anchor.after = anchor, anchor
  return anchor
end

function _M.new(size)
  size = tonumber(size)
  if not size or size < 1 then
    return nil, "size too small"
  end
  return setmetatable({ size = size, used = 0, items = {}, anchor = new_anchor() }, mt)
end

-- The value and its flags; for an item past its time nil, the stale value and the flags.
function _M:get(key)
  local item = self.items[key]
  if not item or item.value == nil then
    return nil
  end
  unlink(item)
  put_first(self.anchor, item)
  if item.expires >= 0 and item.expires <= now() then
    return nil, item.value, item.flags
  end
  return item.value, nil, item.flags
end

function _M:set(key, value, ttl, flags)
  local item = self.items[key]
  -- What is no key is refused before anything changes.
  self.items[key] = item
  if item then
    unlink(item)
  elseif self.used >= self.size then
    item = self.anchor.before
    unlink(item)
    self.items[item.key] = nil
    self.items[key] = item
  else
    item = {}
    self.items[key] = item
    self.used = self.used + 1
  end
  item.key, item.value = key, value
  item.expires = ttl and now() + ttl or -1
  item.flags = type(flags) == "number" and flags >= 0 and flags or 0
  put_first(self.anchor, item)
end

function _M:delete(key)
  local item = self.items[key]
  if not item then
    return false
  end
  self.items[key] = nil
  self.used = self.used - 1
  unlink(item)
  return true
end

function _M:count()
  return self.used
end

function _M:capacity()
  return self.size
end

-- Keys from the one used last to the one used longest ago.
function _M:get_keys(max, res)
  if max and (type(max) ~= "number" or max < 0) then
    return error("bad argument #1 to 'get_keys' (positive number expected)", 2)
  end
  if not max or max == 0 then
    max = self.used
  end
  local keys, count = res or {}, 0
  local item = self.anchor.after
  while item ~= self.anchor and count < max do
    count = count + 1
    keys[count] = item.key
    item = item.after
  end
  if res then
    keys[count + 1] = nil
  end
  return keys
end

function _M:flush_all()
  self.items, self.used, self.anchor = {}, 0, new_anchor()
end

return _M
