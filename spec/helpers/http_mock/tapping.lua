-- A mock server that passes on what it is asked, and tells of it.

local http_mock = require "spec.helpers.http_mock"

local tapping = {}


-- The routes of such a mock: `target` is a port, a host and port, or a URL.
function tapping.new_tapping_route(target)
  if tonumber(target) then
    target = "127.0.0.1:" .. target
  end
  if not target:find("://", 1, true) then
    target = "http://" .. target
  end
  return { ["/"] = { directives = "proxy_pass " .. target .. ";" } }
end


function tapping.new(target, listens, prefix, log_options)
  return http_mock.new(listens, tapping.new_tapping_route(target), {
    prefix = prefix or "servroot_tapping",
    log_opts = log_options or { req = true, req_body = true, req_body_large = true },
  })
end


return tapping
