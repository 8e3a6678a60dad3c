local kong = kong


local Handler = {
  -- Plugins with a higher priority run first.
  PRIORITY = 1000,
  VERSION = "0.1.0",
}


-- Runs for each request, before the upstream is asked.
function Handler:access(conf)
  kong.service.request.set_header(conf.request_header, kong.request.get_method())
end


-- Runs before the response's header section is sent.
function Handler:header_filter(conf)
  kong.response.set_header(conf.response_header, "hello from %NAME%")
end


return Handler
