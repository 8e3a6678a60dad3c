-- Sessions in the database: a storage of resty.session.

local kong, ngx = kong, ngx

local Storage = {}
Storage.__index = Storage


local function select_session(key)
  return kong.db.sessions:select_by_session_id(key)
end


local function find(key)
  return kong.cache:get(kong.db.sessions:cache_key(key), nil, select_session, key)
end


-- Lets a session that was renewed be good for a little while, for requests that are under way.
local function retire(key, now, stale_ttl, is_remembered)
  local row, err = find(key)
  local ok = row == nil
  if row and is_remembered then
    ok, err = kong.db.sessions:delete({ id = row.id })
  elseif row then
    ok, err = kong.db.sessions:update({ id = row.id }, { expires = now + stale_ttl }, { ttl = stale_ttl })
  end
  if err or not ok then
    kong.log.notice(err or "unable to retire session")
  end
end


local function insert(key, value, ttl, now, old_key, stale_ttl, is_remembered)
  local row = { session_id = key, data = value, expires = now + ttl }
  local ok, err = kong.db.sessions:insert(row, { ttl = ttl })
  if old_key then
    retire(old_key, now, stale_ttl, is_remembered)
  end
  return ok, err
end


local function insert_later(premature, ...)
  local ok, err = true, nil
  if not premature then
    ok, err = insert(...)
  end
  if not ok then
    kong.log.notice(err or "unable to insert session")
  end
end


-- Header filters cannot wait for the database.
function Storage:set(_, key, value, ttl, now, old_key, stale_ttl, _, is_remembered) -- luacheck: ignore 212
  if ngx.get_phase() ~= "header_filter" then
    return insert(key, value, ttl, now, old_key, stale_ttl, is_remembered)
  end
  return ngx.timer.at(0, insert_later, key, value, ttl, now, old_key, stale_ttl, is_remembered)
end


function Storage:get(_, key) -- luacheck: ignore 212
  if ngx.get_phase() == "header_filter" then
    return nil
  end
  local row, err = find(key)
  return row and row.data, err
end


function Storage:delete(_, key) -- luacheck: ignore 212
  local row, err = find(key)
  if not row then
    return nil, err
  end
  return kong.db.sessions:delete({ id = row.id })
end


return Storage
