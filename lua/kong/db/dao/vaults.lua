--- Vaults by their prefix, which is unique over all workspaces.

local type = type

local _M = {}


--- The key in caches.
function _M:cache_key(vault)
  local prefix = type(vault) == "table" and vault.prefix or vault
  return "vaults:" .. prefix .. ":::::"
end


return _M
