-- Calls hot functions of the PDK in a loop, within a request, and answers what each call costs.

local Bench = { VERSION = "1.0.0", PRIORITY = 1 }

-- Calls per function, and how often the loop is run: the shortest time counts.
local CALLS, ROUNDS = 200000, 5

local function loaded()
  return { id = "value" }
end

-- Name and call; `n` is the number of the call.
local CASES = {
  { "nothing", function() end },
  { "kong.cache:get (level 1)", function() return kong.cache:get("bench", nil, loaded) end },
  { "ngx.shared get", function() return ngx.shared.kong:get("bench") end },
  { "ngx.shared incr", function() return ngx.shared.kong:incr("bench", 1) end },
  { "ngx.now", function() return ngx.now() end },
  { "ngx.ctx", function() return ngx.ctx end },
  { "ngx.var", function() return ngx.var.remote_addr end },
  { "kong.request.get_method", function() return kong.request.get_method() end },
  { "kong.request.get_header", function() return kong.request.get_header("X-Bench") end },
  { "kong.request.get_query_arg", function() return kong.request.get_query_arg("a") end },
  { "kong.request.get_scheme", function() return kong.request.get_scheme() end },
  { "kong.request.get_path", function() return kong.request.get_path() end },
  { "kong.client.get_ip", function() return kong.client.get_ip() end },
  { "kong.client.get_consumer", function() return kong.client.get_consumer() end },
  { "kong.service.request.set_header", function() kong.service.request.set_header("X-Out", "value") end },
  { "kong.response.set_header", function() kong.response.set_header("X-Out", "value") end },
  { "kong.ctx.shared", function() return kong.ctx.shared end },
  { "kong.ctx.plugin", function() return kong.ctx.plugin end },
  { "kong.log.debug (off)", function() kong.log.debug("not ", "logged") end },
}

local function shortest(call)
  local best = math.huge
  for _ = 1, ROUNDS do
    -- Code that never waits is stopped.
    ngx.sleep(0)
    local began = os.clock()
    for n = 1, CALLS do
      call(n)
    end
    best = math.min(best, os.clock() - began)
  end
  return best / CALLS * 1e9
end

function Bench:access()
  ngx.shared.kong:set("bench", 1)
  local lines = {}
  for _, case in ipairs(CASES) do
    lines[#lines + 1] = ("%8.1f ns  %s"):format(shortest(case[2]), case[1])
  end
  return kong.response.exit(200, table.concat(lines, "\n") .. "\n", { ["Content-Type"] = "text/plain" })
end

return Bench
