-- resty.kong.var: nginx's variables by index. There are no indexes here: names do.

local ngx = ngx

local _M = {}


--- The value of a variable; nil for one without.
function _M.get(name)
  return ngx.var[name]
end


--- Sets a variable that may be set.
function _M.set(name, value)
  ngx.var[name] = value
end


--- Indexes of variables, which nobody needs to load.
function _M.load_indexes()
  return {}
end


--- Has `ngx.var` use indexes: it looks names up as fast without.
function _M.patch_metatable() end


return _M
