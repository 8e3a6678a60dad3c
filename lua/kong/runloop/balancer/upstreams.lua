--- The upstreams in force.

local _M = {}


--- The ids of all upstreams by workspace and name, `workspace:name`.
function _M.get_all_upstreams()
  local ids = {}
  for upstream, err in kong.db.upstreams:each(nil, { workspace = ngx.null, show_ws_id = true }) do
    if not upstream then
      return nil, err
    end
    ids[upstream.ws_id .. ":" .. upstream.name] = upstream.id
  end
  return ids
end


--- The upstream with an id.
function _M.get_upstream_by_id(id)
  return kong.db.upstreams:select { id = id }
end


--- The upstream with a name; false when there is none.
function _M.get_upstream_by_name(name)
  local upstream, err = kong.db.upstreams:select_by_name(name)
  if err then
    return nil, err
  end
  return upstream or false
end


return _M
