-- kong.vault: secrets that configuration refers to as `{vault://name/secret}`.

local concurrency = require "kong.concurrency"
local lrucache = require "resty.lrucache"
local native = require "kong.native"
local secrets = require "kong.pdk.private.secrets"
local vaults = require "kong.pdk.private.vaults"

local ngx = ngx
local pairs, tostring, type = pairs, tostring, type
local concat, sort = table.concat, table.sort

-- Sets of references whose renewal is remembered.
local KEPT = 1000

local _VAULT = {}

-- When the references of a set were last renewed because a callback failed.
local renewed = lrucache.new(KEPT)
local has_vaults, started


--- Forgets secrets of this worker; those that are over are asked for anew.
function _VAULT.flush()
  if has_vaults then
    secrets.flush()
  end
end


--- Begins to renew secrets in the background.
function _VAULT.init_worker()
  if has_vaults and not started then
    started = true
    secrets.start()
  end
end


--- Whether a text has the form of a reference.
function _VAULT.is_reference(reference)
  return type(reference) == "string" and native.is_reference(reference)
end


--- The parts of a reference: name, resource, key, config, version.
function _VAULT.parse_reference(reference)
  if not _VAULT.is_reference(reference) then
    return nil, "not a reference [" .. tostring(reference) .. "]"
  end
  return native.parse_reference(reference)
end


--- The secret; nil and why not.
function _VAULT.get(reference)
  if type(reference) ~= "string" then
    return nil, "not a reference [" .. tostring(reference) .. "]"
  end
  return secrets.get(reference)
end


--- Sets fields whose references stand in `$refs` to what these mean now. A reference without a value leaves
-- an empty text. Returns the table.
function _VAULT.update(options)
  return secrets.update(options)
end


-- The references in options, each once, in order.
local function listed(options)
  local list, seen = {}, {}
  secrets.each(options, function(reference)
    if not seen[reference] then
      seen[reference] = true
      list[#list + 1] = reference
    end
  end)
  sort(list)
  return list
end


local function attempt(callback, options)
  _VAULT.update(options)
  return callback(options)
end


--- Calls back with options; once more with fresh secrets if that fails and there are references.
function _VAULT.try(callback, options)
  local references = listed(options)
  if not references[1] then
    return callback(options)
  end
  local name = "vault.try:" .. ngx.md5(concat(references, "."))
  local before = renewed:get(name)
  local result = attempt(callback, options)
  if result then
    return result
  end
  concurrency.with_coroutine_mutex({ name = name, timeout = secrets.INTERVAL }, function()
    if renewed:get(name) == before then
      secrets.renew(references)
      ngx.update_time()
      renewed:set(name, ngx.now())
    end
  end)
  return attempt(callback, options)
end


--- Gets the secrets of references among keys and values ahead of their use.
function _VAULT.warmup(input)
  for key, value in pairs(input) do
    for _, one in pairs { key, value } do
      if type(one) == "table" then
        _VAULT.warmup(one)
      elseif _VAULT.is_reference(one) then
        local secret, err = _VAULT.get(one)
        if not secret and err then
          kong.log.warn(err)
        end
      end
    end
  end
end


return {
  resolve = secrets.resolve,
  -- Has a configuration, or false for none, keep up with its secrets.
  watch = function(options)
    if has_vaults and options then
      secrets.watch(options)
    end
  end,
  new = function() return _VAULT end,
  is_reference = _VAULT.is_reference,
  parse_reference = _VAULT.parse_reference,
  -- Loads the vaults that kong.conf enables.
  load = function(enabled) has_vaults = vaults.load(enabled) end,
}
