-- What options of a cache and of a single call may be.

local ipairs, type = ipairs, type

local ERR_BOTH = "cannot specify both of opts.ipc_shm and opts.ipc"

-- Name, type, least number.
local LIFE = {
  { "ttl", "number", 0 }, { "neg_ttl", "number", 0 }, { "resurrect_ttl", "number", 0 },
  { "l1_serializer", "function" }, { "shm_set_tries", "number", 1 },
}
local CACHE = {
  { "lru_size", "number" }, { "ttl", "number", 0 }, { "neg_ttl", "number", 0 },
  { "resurrect_ttl", "number", 0 }, { "resty_lock_opts", "table" }, { "ipc_shm", "string" },
}
local CACHE_REST = {
  { "l1_serializer", "function" }, { "shm_set_tries", "number", 1 }, { "shm_miss", "string" },
  { "shm_locks", "string" },
}

local _M = {}


local function broken(opts, rules)
  for _, rule in ipairs(rules) do
    local name, wanted, least = rule[1], rule[2], rule[3]
    local value = opts[name]
    if value == nil then
      value = least
    elseif type(value) ~= wanted then
      return "opts." .. name .. " must be a " .. wanted
    end
    if least and value < least then
      return "opts." .. name .. " must be >= " .. least
    end
  end
end


local function broken_ipc(opts)
  local ipc = opts.ipc
  if ipc == nil then
    return nil
  elseif opts.ipc_shm then
    return ERR_BOTH
  elseif type(ipc) ~= "table" then
    return "opts.ipc must be a table"
  end
  for _, name in ipairs { "register_listeners", "broadcast", "poll" } do
    if type(ipc[name]) ~= "function" and not (name == "poll" and ipc.poll == nil) then
      return "opts.ipc." .. name .. " must be a function"
    end
  end
end


-- What is wrong with the options of a cache, if anything.
function _M.of_cache(opts)
  if type(opts) ~= "table" then
    return "opts must be a table"
  end
  return broken(opts, CACHE) or broken_ipc(opts) or broken(opts, CACHE_REST)
end


-- The options of a call over those of its cache; nil and what is wrong.
function _M.of_call(self, opts)
  if opts == nil then
    return self
  elseif type(opts) ~= "table" then
    return nil, "opts must be a table"
  end
  local err = broken(opts, LIFE)
  if err then
    return nil, err
  end
  return {
    ttl = opts.ttl or self.ttl,
    neg_ttl = opts.neg_ttl or self.neg_ttl,
    resurrect_ttl = opts.resurrect_ttl or self.resurrect_ttl,
    l1_serializer = opts.l1_serializer or self.l1_serializer,
    shm_set_tries = opts.shm_set_tries or self.shm_set_tries,
  }
end


return _M
