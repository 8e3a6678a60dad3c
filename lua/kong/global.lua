-- The life of a global `kong`: making it, attaching the PDK, and which plugin's context and log it
-- shows.

local meta = require "kong.meta"
local phase_checker = require "kong.pdk.private.phases"

local ngx = ngx
local error, setmetatable, type = error, setmetatable, type

local _GLOBAL = { phases = phase_checker.phases }

-- Log facilities by namespace.
local facilities = {}


-- Throws, in the name of the caller's caller, unless these can name a context.
local function check_name(self, name)
  if not self then
    error("arg #1 cannot be nil", 3)
  elseif type(name) ~= "string" then
    error("name must be a string", 3)
  elseif name == "" then
    error("name cannot be an empty string", 3)
  end
end


-- The keys of named contexts: they do not keep what they refer to.
local function namespaces(ctx)
  ctx = ctx or ngx.ctx
  local names = ctx.KONG_NAMESPACES
  if not names then
    names = setmetatable({}, { __mode = "v" })
    ctx.KONG_NAMESPACES = names
  end
  return names
end


-- A `kong` without a PDK.
function _GLOBAL.new()
  return { version = meta.version, version_num = 3009003 }
end


-- Makes `kong.ctx[name]` the table of `key`.
function _GLOBAL.set_named_ctx(self, name, key, ctx)
  check_name(self, name)
  if key == nil then
    error("key cannot be nil", 2)
  elseif not self.table then
    error("ctx PDK module not initialized", 2)
  end
  namespaces(ctx)[name] = key
end


function _GLOBAL.del_named_ctx(self, name, ctx)
  check_name(self, name)
  namespaces(ctx)[name] = nil
end


-- Makes `kong.log` the facility of a namespace, for the current request.
function _GLOBAL.set_namespaced_log(self, namespace, ctx)
  if not self then
    error("arg #1 cannot be nil", 2)
  elseif type(namespace) ~= "string" then
    error("namespace (arg #2) must be a string", 2)
  end
  local log = facilities[namespace]
  if not log then
    log = self._log.new(namespace)
    facilities[namespace] = log
  end
  (ctx or ngx.ctx).KONG_LOG = log
end


function _GLOBAL.reset_log(self, ctx)
  if not self then
    error("arg #1 cannot be nil", 2)
  end
  (ctx or ngx.ctx).KONG_LOG = self._log
end


-- Attaches the PDK, over a table of configuration values.
function _GLOBAL.init_pdk(self, values)
  if not self then
    error("arg #1 cannot be nil", 2)
  end
  require("kong.pdk").new(values, self)
end


-- What a node has one of, made for this `kong` where a test asks for its own.
function _GLOBAL.init_worker_events()
  return require "kong.worker_events"
end


function _GLOBAL.init_cluster_events(values, db)
  return require("kong.cluster_events").new {
    db = db, poll_interval = values.db_update_frequency, poll_offset = values.db_update_propagation,
  }
end


return _GLOBAL
