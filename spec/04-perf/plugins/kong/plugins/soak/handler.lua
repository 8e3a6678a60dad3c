-- Uses whatever could leak: timers, threads, sockets with and without their pool, the queue, the cache,
-- shared dictionaries, and requests that are answered in the middle of it. `spec/04-perf/soak` runs it for
-- an hour.

local http = require "resty.http"
local Queue = require "kong.tools.queue"

local kong, ngx = kong, ngx
local random = math.random

local Soak = { VERSION = "1.0.0", PRIORITY = 900 }

local counts = ngx.shared.kong_db_cache_miss


-- What is counted, by name, in a dictionary of all workers.
local function count(name)
  counts:incr("soak:" .. name, 1, 0)
end


local function on_timer(premature, id)
  if not premature and id then
    ngx.sleep(random() / 100)
    count("timers")
  end
end


-- A request of its own to the upstream; every fourth connection is closed instead of kept.
local function ask(conf)
  local client = http.new()
  client:set_timeout(5000)
  local ok, err = client:connect({ scheme = "http", host = conf.host, port = conf.port })
  if not ok then
    return nil, err
  end
  local answer, failed = client:request({ path = "/soak", headers = { Host = "soak" } })
  if not answer then
    return nil, failed
  end
  local body = answer:read_body()
  if random(4) == 1 then
    client:close()
  else
    client:set_keepalive(1000, 16)
  end
  count("sockets")
  return body
end


-- Bytes to a raw socket that is left to the collector.
local function abandon(conf)
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, 1000, 1000)
  if socket:connect(conf.host, conf.port) then
    socket:send("GET /left HTTP/1.0\r\n\r\n")
    socket:receive(4)
  end
end


local function send_batch(conf, batch)
  count("batches")
  counts:incr("soak:entries", #batch, 0)
  local _, err = ask(conf)
  return err == nil, err
end


function Soak:access(conf)
  local id = kong.request.get_header("X-Soak") or "none"
  local first = ngx.thread.spawn(ask, conf)
  local second = ngx.thread.spawn(function() ngx.sleep(random() / 200) count("threads") end)
  ngx.thread.wait(first, second)
  if random(10) == 1 then
    abandon(conf)
  end
  ngx.timer.at(random() / 20, on_timer, id)
  kong.cache:get("soak:" .. random(2000), { ttl = 1 }, function()
    return { id = id, text = ("x"):rep(200) }
  end)
  kong.ctx.plugin.id = id
  if random(50) == 1 then
    -- the threads that still run end with the request
    return kong.response.exit(202, { id = id })
  end
end


function Soak:header_filter()
  kong.response.set_header("X-Soak-Id", kong.ctx.plugin.id or "none")
end


function Soak:log(conf)
  local ok, err = Queue.enqueue({
    name = "soak", log_tag = "soak", max_batch_size = conf.queue.max_batch_size,
    max_coalescing_delay = conf.queue.max_coalescing_delay, max_entries = conf.queue.max_entries,
    max_retry_time = conf.queue.max_retry_time, initial_retry_delay = conf.queue.initial_retry_delay,
    max_retry_delay = conf.queue.max_retry_delay, concurrency_limit = conf.queue.concurrency_limit,
  }, send_batch, conf, kong.log.serialize())
  if not ok then
    kong.log.err("the queue took no entry: ", err)
  end
  ngx.timer.at(0, on_timer, kong.ctx.plugin.id)
end


return Soak
