-- What a health checker of resty.healthcheck is told, checked and with its defaults.

local assert, error, ipairs, pairs, tostring, type = assert, error, ipairs, pairs, tostring, type
local concat = table.concat

local LARGEST = 2 ^ 31 - 1
-- Counters have a byte each.
local MOST = 254

local TYPES = { http = true, https = true, tcp = true }

-- A value that has no default and may be of any type; a table that is taken as it is.
local ANY, PLAIN = {}, {}

local _M = {}


local function defaults()
  return {
    name = ANY, shm_name = ANY, type = ANY, events_module = "resty.worker.events",
    checks = {
      active = {
        type = "http", timeout = 1, concurrency = 10, http_path = "/", https_sni = ANY,
        https_verify_certificate = true, headers = PLAIN,
        healthy = { interval = 0, http_statuses = { 200, 302 }, successes = 2 },
        unhealthy = {
          interval = 0, http_statuses = { 429, 404, 500, 501, 502, 503, 504, 505 },
          tcp_failures = 2, timeouts = 3, http_failures = 5,
        },
      },
      passive = {
        type = "http",
        healthy = {
          http_statuses = { 200, 201, 202, 203, 204, 205, 206, 207, 208, 226,
                            300, 301, 302, 303, 304, 305, 306, 307, 308 },
          successes = 5,
        },
        unhealthy = {
          http_statuses = { 429, 500, 503 }, tcp_failures = 2, timeouts = 7, http_failures = 5,
        },
      },
    },
  }
end


local function refuse(path, name, why)
  path[#path + 1] = name
  error(concat(path, ".") .. ": " .. why, #path + 1)
end


local function check(value, default, path, name)
  if default ~= ANY and type(value) ~= type(default) then
    refuse(path, name, "invalid value")
  elseif type(value) == "number" and (value < 0 or value > LARGEST) then
    refuse(path, name, "must be between 0 and " .. LARGEST)
  end
end


local function fill(given, standard, path)
  local out = {}
  for name, default in pairs(standard) do
    local value = given[name]
    if value == nil then
      if default ~= ANY and default ~= PLAIN then
        value = type(default) == "table" and not default[1] and fill({}, default, path) or default
      end
    else
      check(value, default, path, name)
      if type(default) == "table" and default ~= ANY and default ~= PLAIN and not default[1] then
        path[#path + 1] = name
        value = fill(value, default, path)
        path[#path] = nil
      end
    end
    out[name] = value
  end
  return out
end


local function check_type(name, value)
  assert(TYPES[value], name .. " can only be 'http', 'https' or 'tcp', got '" .. tostring(value) .. "'")
end


local function check_limits(checks)
  for _, kind in ipairs { "active", "passive" } do
    local of = checks[kind]
    for group, names in pairs { healthy = { "successes" },
                                unhealthy = { "tcp_failures", "http_failures", "timeouts" } } do
      for _, name in ipairs(names) do
        assert(of[group][name] <= MOST, "checks." .. kind .. "." .. group .. "." .. name
                                        .. " must be at most " .. MOST)
      end
    end
    check_type("checks." .. kind .. ".type", of.type)
  end
end


-- Lists of statuses as sets.
local function index_statuses(checks)
  for _, kind in pairs(checks) do
    for _, group in pairs { kind.healthy, kind.unhealthy } do
      local set = {}
      for _, status in ipairs(group.http_statuses) do
        set[status] = true
      end
      group.http_statuses = set
    end
  end
end


-- The settings of a checker.
--
-- *Errors*: raised; they name what is wrong.
function _M.read(opts)
  local settings = fill(opts, defaults(), {})
  if settings.type then
    -- An old way to say both.
    check_type("type", settings.type)
    for _, kind in ipairs { "active", "passive" } do
      local own = opts.checks and opts.checks[kind] and opts.checks[kind].type
      settings.checks[kind].type = own or settings.type
    end
  end
  check_limits(settings.checks)
  assert(settings.name, "required option 'name' is missing")
  assert(settings.shm_name, "required option 'shm_name' is missing")
  index_statuses(settings.checks)
  return settings
end


return _M
