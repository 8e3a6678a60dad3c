-- What the plugins around a language model know of a request: one table, shared by all of them.
--
--   body           the parsed request; nil if there is none that can be read
--   model          the model that is asked, after `$(...)` in its configuration got values
--   stream         whether the answer comes in events
--   accepts_gzip   whether the client takes gzip
--   preserve       whether bodies pass as they are
--   adapter        what translates a provider's own requests
--   response_body  the whole answer for the client
--   counts         tokens, milliseconds and cost

local ngx = ngx
local floor = math.floor
local find, match, type = string.find, string.match, type

local _M = {}

local UNKNOWN = { name = "UNSPECIFIED", provider = "UNSPECIFIED" }


-- The state of the current request.
function _M.current()
  local ctx = ngx.ctx
  local state = ctx.ai
  if not state then
    state = { counts = {} }
    ctx.ai = state
  end
  return state
end


-- Tells plugins of others what was done to the request, where Kong does: under the name of a step.
function _M.tell(step, done)
  local ctx = ngx.ctx
  local told = ctx.ai_namespaced_ctx or {}
  ctx.ai_namespaced_ctx = told
  told[step] = { [done] = true }
  told._global = { request_body_table = _M.current().body }
end


-- The model that is asked; one without a name, when none is known yet.
function _M.model()
  local state = _M.current()
  return state.model or state.requested_model or UNKNOWN
end


-- Reads the request, once: all plugins see what the first of them could read.
function _M.parse(conf)
  local state = _M.current()
  if state.parsed then
    return state
  end
  state.parsed = true
  local encoding = kong.request.get_header("Accept-Encoding") or ""
  state.accepts_gzip = match(encoding, "%f[%a]gzip%f[%A]") ~= nil

  local content_type = kong.request.get_header("Content-Type") or "application/json"
  local body = kong.request.get_body(content_type, nil, conf.max_request_body_size)
  if type(body) ~= "table" then
    state.multipart = find(content_type, "multipart/form-data", 1, true) ~= nil
    if not state.multipart then
      return state
    end
    body = {}
  end
  if conf.llm_format and conf.llm_format ~= "openai" then
    state.adapter = require("kong.llm.adapters." .. conf.llm_format)
    body = state.adapter:to_kong_req(body, kong)
  end

  local name = state.multipart and "UNSPECIFIED" or body.model
  state.body = body
  state.requested_model = { provider = "UNSPECIFIED", name = type(name) == "string" and name or nil }
  state.stream = not not body.stream
  ngx.update_time()
  state.started = ngx.now()
  return state
end


-- Notes that the provider has answered.
function _M.answered()
  local state = _M.current()
  if state.started then
    ngx.update_time()
    state.counts.latency = floor((ngx.now() - state.started) * 1000)
  end
end


-- Sets what tokens cost, by the prices of a model.
function _M.set_cost(options)
  local counts = _M.current().counts
  local input, output = options and options.input_cost, options and options.output_cost
  counts.cost = input and output
    and ((counts.prompt or 0) * input + (counts.completion or 0) * output) / 1000000 or 0
end


-- The counts as logs have them.
function _M.usage()
  local counts = _M.current().counts
  local prompt, completion, latency = counts.prompt or 0, counts.completion or 0, counts.latency or 0
  return {
    prompt_tokens = prompt,
    completion_tokens = completion,
    total_tokens = prompt + completion,
    time_per_token = completion > 0 and latency / completion or 0,
    cost = counts.cost or 0,
  }
end


return _M
