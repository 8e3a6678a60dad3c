-- Asking targets how they are.

local ngx = ngx
local isarray = require "table.isarray"

local ipairs, pairs, tonumber, tostring, type = ipairs, pairs, tonumber, tostring, type
local concat, min = table.concat, math.min

local _M = {}


-- The field lines that a checker sends.
local function field_lines(self)
  local active = self.checks.active
  if active.lines then
    return active.lines
  end
  local lines = {}
  if isarray(active.headers or {}) then
    for i, line in ipairs(active.headers or {}) do
      lines[i] = line .. "\r\n"
    end
  else
    for name, values in pairs(active.headers) do
      for _, value in ipairs(type(values) == "table" and values or { values }) do
        lines[#lines + 1] = name .. ": " .. tostring(value) .. "\r\n"
      end
    end
  end
  active.lines = concat(lines)
  return active.lines
end


-- Reports what a socket's function failed with.
local function report(self, sock, target, operation, err)
  if err == "timeout" then
    sock:close()
    return self:report_timeout(target.ip, target.port, target.hostname, "active")
  end
  return self:report_tcp_failure(target.ip, target.port, target.hostname, operation, "active")
end


local function shake_hands(self, sock, target)
  local active = self.checks.active
  local name = active.https_sni or target.hostheader or target.hostname
  if self.ssl_cert then
    local ok, err = sock:setclientcert(self.ssl_cert, self.ssl_key)
    if not ok then
      self:log(ngx.ERR, "failed to set client certificate: ", err)
    end
  end
  local session, err = sock:sslhandshake(nil, name, active.https_verify_certificate)
  if not session then
    sock:close()
    self:log(ngx.ERR, "failed SSL handshake with '", target.hostname, " (", target.ip, ":", target.port,
             ")', using server name (sni) '", name, "': ", err)
    self:report_tcp_failure(target.ip, target.port, target.hostname, "connect", "active")
  end
  return session
end


-- The status of a target's answer; 0 where the first line of it has none.
local function ask(self, sock, target)
  local head = "GET " .. self.checks.active.http_path .. " HTTP/1.0\r\n" .. field_lines(self)
               .. "Host: " .. (target.hostheader or target.hostname) .. "\r\n\r\n"
  self:log(ngx.DEBUG, "request head: ", head)
  local sent, err = sock:send(head)
  if not sent then
    return report(self, sock, target, "send", err)
  end
  local line
  line, err = sock:receive()
  if not line then
    return report(self, sock, target, "receive", err)
  end
  sock:close()
  local status = line:match("^HTTP/%d+%.%d+%s+(%d+)")
  if not status then
    self:log(ngx.ERR, "bad status line from '", target.hostname, " (", target.ip, ":", target.port, ")': ",
             line)
  end
  self:log(ngx.DEBUG, "Reporting '", target.hostname, " (", target.ip, ":", target.port, ")' (got HTTP ",
           status, ")")
  self:report_http_status(target.ip, target.port, target.hostname, tonumber(status) or 0, "active")
end


-- Asks one target, and reports how it is.
function _M.one(self, target)
  local sock, err = ngx.socket.tcp()
  if not sock then
    return self:log(ngx.ERR, "failed to create stream socket: ", err)
  end
  local active = self.checks.active
  sock:settimeout(active.timeout * 1000)
  local ok
  ok, err = sock:connect(target.ip, target.port)
  if not ok then
    return report(self, sock, target, "connect", err)
  elseif active.type == "tcp" then
    sock:close()
    return self:report_success(target.ip, target.port, target.hostname, "active")
  elseif active.type == "https" and not shake_hands(self, sock, target) then
    return
  end
  ask(self, sock, target)
end


-- Asks all of a list, so many at a time as the settings allow.
function _M.all(self, list)
  local next_one = 0
  local function work()
    while next_one < #list do
      next_one = next_one + 1
      local target = list[next_one]
      self:log(ngx.DEBUG, "Checking ", target.hostname, " ",
               target.hostheader and "(host header: " .. target.hostheader .. ")" or "",
               target.ip, ":", target.port, " (currently ", target.health, ")")
      _M.one(self, target)
    end
  end
  local threads = {}
  for i = 1, min(self.checks.active.concurrency, #list) - 1 do
    threads[i] = ngx.thread.spawn(work)
  end
  work()
  for _, thread in ipairs(threads) do
    ngx.thread.wait(thread)
  end
end


return _M
