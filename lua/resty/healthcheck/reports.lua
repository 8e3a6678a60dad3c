-- What is reported of targets.
--
-- A target has four counters: successes and three kinds of failures. A failure sets the successes back, a
-- success all failures.

local store = require "resty.healthcheck.store"

local ngx = ngx
local assert, ipairs, tonumber, tostring, type = assert, ipairs, tonumber, tostring, type
local band, concat = bit.band, table.concat

local NUMBERS = store.NUMBERS
-- Four counters in a number.
local SUCCESS, HTTP, TCP, TIMEOUT = 1, 0x100, 0x10000, 0x1000000
local SUCCESSES, FAILURES = 0xff, 0xffffff00
local NAMES = { [SUCCESS] = "SUCCESS", [HTTP] = "HTTP", [TCP] = "TCP", [TIMEOUT] = "TIMEOUT" }

local checker = {}


local function state_after(current, counters)
  if current == "healthy" and band(counters, FAILURES) ~= 0 then
    return "mostly_healthy"
  elseif current == "unhealthy" and band(counters, SUCCESSES) ~= 0 then
    return "mostly_unhealthy"
  end
end


-- Counts; at the limit the target becomes what was reported.
local function count(self, reported, ip, port, hostname, limit, counter)
  if limit == 0 then
    return true
  end
  port = tonumber(port)
  local target = self:find(ip, port, hostname)
  if not target then
    self:log(ngx.WARN, "trying to increment a target that is not in the list: ",
             hostname and "(" .. hostname .. ") " or "", ip, ":", port)
    return true
  end
  local current = target.internal_health
  if current == reported then
    return true
  end
  return store.with_target(self, ip, port, hostname, function()
    local key = store.key(self.TARGET_COUNTER, ip, port, hostname)
    local all, err = self.shm:incr(key, counter, 0)
    if not all then
      return nil, err
    end
    local reached = band(all / counter, 0xff)
    self:log(ngx.WARN, reported, " ", NAMES[counter], " increment (", reached, "/", limit, ") for '",
             hostname or "", "(", ip, ":", port, ")'")
    local kept = band(all, counter == SUCCESS and SUCCESSES or FAILURES)
    if kept ~= all then
      self.shm:set(key, kept)
    end
    local state = reached >= limit and reported or state_after(current, kept)
    if state and state ~= current then
      self.shm:set(store.key(self.TARGET_STATE, ip, port, hostname), NUMBERS[state])
      self:raise_event(state, ip, port, hostname)
    end
    return true
  end)
end


-- The settings of reports: `check` is "passive", which is the default, or "active".
local function of(self, check)
  return self.checks[check or "passive"]
end


function checker:report_failure(ip, port, hostname, check)
  local checks = of(self, check)
  if checks.type == "tcp" then
    return count(self, "unhealthy", ip, port, hostname, checks.unhealthy.tcp_failures, TCP)
  end
  return count(self, "unhealthy", ip, port, hostname, checks.unhealthy.http_failures, HTTP)
end


function checker:report_success(ip, port, hostname, check)
  return count(self, "healthy", ip, port, hostname, of(self, check).healthy.successes, SUCCESS)
end


-- Nothing where a status says neither.
function checker:report_http_status(ip, port, hostname, status, check)
  local checks = of(self, check)
  status = tonumber(status) or 0
  if checks.healthy.http_statuses[status] then
    return self:report_success(ip, port, hostname, check)
  elseif checks.unhealthy.http_statuses[status] or status == 0 then
    return count(self, "unhealthy", ip, port, hostname, checks.unhealthy.http_failures, HTTP)
  end
end


function checker:report_tcp_failure(ip, port, hostname, _, check)
  return count(self, "unhealthy", ip, port, hostname, of(self, check).unhealthy.tcp_failures, TCP)
end


function checker:report_timeout(ip, port, hostname, check)
  return count(self, "unhealthy", ip, port, hostname, of(self, check).unhealthy.timeouts, TIMEOUT)
end


-- Says how a target is, whatever was counted.
function checker:set_target_status(ip, port, hostname, is_healthy)
  ip = tostring(assert(ip, "no ip address provided"))
  port = assert(tonumber(port), "no port number provided")
  assert(type(is_healthy) == "boolean")
  local state = is_healthy and "healthy" or "unhealthy"
  if not self:find(ip, port, hostname) then
    self:log(ngx.WARN, "trying to set status for a target that is not in the list: ", ip, ":", port)
    return true
  end
  local ok, err = store.with_target(self, ip, port, hostname, function()
    local _, why = self.shm:set(store.key(self.TARGET_COUNTER, ip, port, hostname), 0)
    if why then
      return nil, why
    end
    self.shm:set(store.key(self.TARGET_STATE, ip, port, hostname), NUMBERS[state])
    self:raise_event(state, ip, port, hostname)
    return true
  end)
  if ok then
    self:log(ngx.WARN, state, " forced for ", hostname, " ", ip, ":", port)
  end
  return ok, err
end


function checker:set_all_target_statuses_for_hostname(hostname, port, is_healthy)
  assert(type(hostname) == "string", "no hostname provided")
  port = assert(tonumber(port), "no port number provided")
  assert(type(is_healthy) == "boolean")
  local errors = {}
  for _, target in ipairs(self.targets) do
    if target.port == port and target.hostname == hostname then
      local ok, err = self:set_target_status(target.ip, port, hostname, is_healthy)
      if not ok then
        errors[#errors + 1] = err
      end
    end
  end
  if errors[1] then
    return nil, concat(errors, "; ")
  end
  return true
end


return checker
