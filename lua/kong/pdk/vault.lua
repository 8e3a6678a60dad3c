-- kong.vault: secrets that configuration refers to as `{vault://name/secret}`.

local native = require "kong.native"

local pairs, pcall, type = pairs, pcall, type

local REFERENCES = "$refs"

local _VAULT = {}


-- Forgets secrets; none is kept between two uses.
function _VAULT.flush() end


function _VAULT.init_worker() end


-- Whether a text has the form of a reference.
function _VAULT.is_reference(reference)
  return type(reference) == "string" and native.is_reference(reference)
end


-- The parts of a reference: name, resource, key, config, version.
function _VAULT.parse_reference(reference)
  return native.parse_reference(reference)
end


-- The secret; nil and why not.
function _VAULT.get(reference)
  return native.resolve_reference(reference)
end


-- Sets fields whose references stand in `$refs` to what these mean now. A reference without a value
-- leaves an empty text. Returns the table.
function _VAULT.update(options)
  if type(options) ~= "table" then
    return options
  end
  for name, reference in pairs(options[REFERENCES] or {}) do
    if type(reference) == "string" then
      options[name] = native.resolve_reference(reference) or ""
    elseif type(reference) == "table" and type(options[name]) == "table" then
      for index, inner in pairs(reference) do
        options[name][index] = native.resolve_reference(inner) or ""
      end
    end
  end
  for name, value in pairs(options) do
    if name ~= REFERENCES and type(value) == "table" then
      _VAULT.update(value)
    end
  end
  return options
end


-- Calls back with options; once more with fresh secrets if that fails and there are references.
function _VAULT.try(callback, options)
  local function attempt()
    local ok, result, err = pcall(callback, options)
    if not ok then
      return nil, result
    end
    return result, err
  end

  local result, err = attempt()
  if result or type(options) ~= "table" or not options[REFERENCES] then
    return result, err
  end
  _VAULT.update(options)
  return attempt()
end


-- Resolves the references among values ahead of their use, so that missing ones are found early.
function _VAULT.warmup(input)
  for _, value in pairs(input) do
    if type(value) == "table" then
      _VAULT.warmup(value)
    elseif _VAULT.is_reference(value) then
      local secret, err = _VAULT.get(value)
      if not secret then
        kong.log.warn(err)
      end
    end
  end
end


return { new = function() return _VAULT end }
