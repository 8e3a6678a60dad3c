-- Secrets of vaults written in Lua: kept by each worker and by all of them, renewed in the background.
--
-- Level one is this VM's, by reference, for as long as the vault said the secret holds. Level two is the
-- dictionary `kong_secrets`, by the digest of the vault's configuration and the reference: there a secret
-- outlives its time by `resurrect_ttl`, in which a vault that fails is not noticed. What has no value is kept
-- too. One worker at a time goes through level two each interval and renews what is over.
--
-- Every secret is told to the host, whose own users of references (configurations, certificates) ask no
-- vault.

local concurrency = require "kong.concurrency"
local lrucache = require "resty.lrucache"
local native = require "kong.native"
local vaults = require "kong.pdk.private.vaults"

local ngx = ngx
local ipairs, pairs, pcall, setmetatable, tonumber, type = ipairs, pairs, pcall, setmetatable, tonumber, type
local fmt, max, min = string.format, math.max, math.min

-- For ever, as Kong understands it.
local LONGEST = require("kong.constants").DATABASE.DAO_MAX_TTL
local INTERVAL = tonumber(os.getenv("KONG_VAULT_ROTATION_INTERVAL")) or 60
-- Between two rounds nothing may get lost.
local SHORTEST = INTERVAL * 2
local NOTHING = "\0"
local ERR_NO_VALUE = "could not get value from external vault (no value found)"
-- Seconds between two looks at the configurations in use.
local WATCH = 1
local KEPT = 1000

local _M = { INTERVAL = INTERVAL }

local level_one = lrucache.new(KEPT)
-- What was asked for before workers could ask: keys of level two.
local deferred = {}
-- Configurations in use that have references.
local watched = setmetatable({}, { __mode = "k" })


-- ---- keeping --------------------------------------------------------------------------------

local function adjust(ttl, config)
  if type(ttl) ~= "number" then
    return config.ttl or LONGEST
  elseif ttl <= 0 then
    return LONGEST
  elseif config.max_ttl and config.max_ttl > 0 and ttl > config.max_ttl then
    return config.max_ttl
  elseif config.min_ttl and ttl < config.min_ttl then
    return config.min_ttl
  end
  return ttl
end


-- Seconds for level one and for level two.
local function times(ttl, config)
  ttl = adjust(ttl, config)
  if config.resurrect_ttl then
    return ttl, max(min(ttl + config.resurrect_ttl, LONGEST), SHORTEST)
  end
  return ttl, ttl + LONGEST
end


-- Asks the vault and keeps what it says; with `may_outlive` a secret that is over stands in for none.
local function fetch(reference, meaning, asked, may_outlive)
  local shared = ngx.shared.kong_secrets
  local value, err, ttl = vaults.ask(meaning, asked)
  if value == nil and may_outlive then
    local last = shared:get(meaning.key)
    if last and last ~= NOTHING then
      return last
    end
  end
  if value == nil then
    local ok, problem = shared:safe_set(meaning.key, NOTHING, max(meaning.config.neg_ttl or 0, SHORTEST))
    native.keep_secret(reference, nil)
    return nil, ok and fmt("could not get value from external vault (%s)", err) or problem
  end
  local of_one, of_two = times(ttl, meaning.config)
  local ok, problem = shared:safe_set(meaning.key, value, of_two)
  if not ok then
    return nil, problem
  end
  level_one:set(reference, value, of_one)
  native.keep_secret(reference, value)
  return value
end


-- A secret of the host's own vault. That there is none is said once in a while.
local function resolve(reference)
  local value, err = native.resolve_reference(reference)
  if value then
    return value
  elseif err ~= ERR_NO_VALUE then
    return nil, err
  end
  local shared, key = ngx.shared.kong_secrets, "host." .. reference
  if not shared then
    return nil, err
  elseif shared:get(key) == NOTHING then
    return nil
  end
  shared:safe_set(key, NOTHING, SHORTEST)
  return nil, err
end


local function defer(key)
  if not deferred[key] then
    deferred[key] = true
    deferred[#deferred + 1] = key
  end
  return ""
end


--- The secret of a reference; nil and why not. `kept_only` asks no vault.
function _M.get(reference, kept_only)
  local value = level_one:get(reference)
  if value then
    return value
  end
  local meaning, err = vaults.find(reference)
  if not meaning then
    return nil, err
  elseif meaning.of_host then
    return resolve(reference)
  end
  local shared = ngx.shared.kong_secrets
  value = shared:get(meaning.key)
  if value == NOTHING then
    native.keep_secret(reference, nil)
    return nil
  elseif value then
    local left = (shared:ttl(meaning.key) or 0) - (meaning.config.resurrect_ttl or LONGEST)
    if left > 0 then
      level_one:set(reference, value, left)
    end
    native.keep_secret(reference, value)
    return value
  elseif kept_only then
    return nil, "could not find cached value"
  end
  local phase = ngx.get_phase()
  if phase == "init" or phase == "init_worker" then
    return defer(meaning.key)
  end
  return fetch(reference, meaning)
end


--- Gets secrets for the host, which waits for them: each is asked for once at a time.
function _M.resolve(references)
  for _, reference in ipairs(references) do
    local _, err = concurrency.with_coroutine_mutex({ name = "vault:" .. reference, timeout = INTERVAL },
                                                    function() return _M.get(reference) end)
    if err then
      native.keep_secret(reference, nil)
      kong.log.warn("unable to resolve reference ", reference, " (", err, ")")
    end
  end
end


-- ---- configurations -------------------------------------------------------------------------

--- Calls back with each reference in a table and where it stands.
function _M.each(options, callback)
  if type(options) ~= "table" then
    return
  end
  for key, value in pairs(options) do
    if key ~= "$refs" and type(value) == "table" then
      _M.each(value, callback)
    end
  end
  local references = options["$refs"]
  for name, reference in pairs(type(references) == "table" and references or {}) do
    if type(reference) == "table" then
      for key, one in pairs(reference) do
        callback(one, options[name], key)
      end
    else
      callback(reference, options, name)
    end
  end
end


local function put(reference, record, field)
  local value, err = _M.get(reference, true)
  if err then
    kong.log.warn("error updating secret reference ", reference, ": ", err)
  end
  record[field] = value or ""
end


--- Puts the secrets that are kept in the places of their references. Answers the table.
function _M.update(options)
  _M.each(options, put)
  return options
end


--- Has a configuration keep up with its secrets.
function _M.watch(options)
  local has_some = false
  _M.each(options, function(reference)
    local meaning = vaults.find(reference)
    has_some = has_some or meaning ~= nil and not meaning.of_host
  end)
  watched[options] = has_some or nil
end


-- ---- renewing -------------------------------------------------------------------------------

-- Renews references, whatever is kept.
function _M.renew(references)
  local asked = {}
  for _, reference in ipairs(references) do
    local meaning, err = vaults.find(reference)
    local value
    if meaning and not meaning.of_host then
      value, err = fetch(reference, meaning, asked)
    end
    if not value and err then
      kong.log.warn("could not retrieve value for reference ", reference, " (", err, ")")
    end
  end
end


-- Renews what a key of level two stands for, if it is over; nil and why not.
local function renew_key(key, asked)
  local shared, reference = ngx.shared.kong_secrets, key:match("^[^.]+%.(.+)$")
  local meaning, err = vaults.find(reference or "")
  if not meaning or meaning.of_host then
    shared:delete(key)
    return meaning and true, err and fmt("could not parse reference %s (%s)", reference or key, err)
  elseif meaning.key ~= key then
    -- The vault has another configuration since.
    shared:delete(key)
  end
  local may_outlive = false
  local left = shared:ttl(meaning.key)
  if left and shared:get(meaning.key) ~= NOTHING then
    local beyond = max(meaning.config.resurrect_ttl or LONGEST, SHORTEST)
    if left > beyond then
      return true
    end
    may_outlive = left > SHORTEST
  end
  local value
  value, err = fetch(reference, meaning, asked, may_outlive)
  return value, err and fmt("could not retrieve value for reference %s (%s)", reference, err)
end


local function renew_keys(keys)
  local asked = {}
  for _, key in ipairs(keys) do
    local ok, value, err = pcall(renew_key, key, asked)
    if not ok or not value and err then
      kong.log.notice(ok and err or value)
    end
  end
  return true
end


--- A round through all secrets, unless another worker makes one.
function _M.rotate(premature, first)
  if premature then
    return
  end
  local ok, err = concurrency.with_worker_mutex({
    name = "vault-rotation", timeout = 0, exptime = INTERVAL * 1.5,
  }, function()
    if first then
      local keys = deferred
      deferred = {}
      return renew_keys(keys)
    end
    return renew_keys(ngx.shared.kong_secrets:get_keys(0))
  end)
  if not ok and err ~= "timeout" then
    kong.log.err("rotating secrets failed (", err, ")")
  end
end


local function look_after(premature)
  if premature then
    return
  end
  for options in pairs(watched) do
    _M.update(options)
  end
end


--- Forgets what this worker keeps, and makes a round soon.
function _M.flush()
  level_one:flush_all()
  local _, err = kong.timer:named_at("secret-rotation-on-flush", 0, _M.rotate)
  if err then
    kong.log.err("could not schedule timer to rotate vault secret references: ", err)
  end
end


--- Begins the rounds of a worker.
function _M.start()
  kong.timer:named_every("secret-rotation", INTERVAL, _M.rotate)
  kong.timer:named_at("secret-rotation-on-init", 0, _M.rotate, true)
  kong.timer:named_every("secret-watch", WATCH, look_after)
  kong.worker_events.register(_M.flush, "crud", "vaults")
end


return _M
