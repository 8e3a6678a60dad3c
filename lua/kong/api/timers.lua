--- `/timers`: the timers of the thread that serves the API.

local kong, ngx = kong, ngx


local function show()
  return kong.response.exit(200, {
    worker = { id = ngx.worker.id() or -1, count = ngx.worker.count() },
    stats = kong.timer:stats { verbose = true, flamegraph = true },
  })
end


return {
  ["/timers"] = { GET = show },
}
