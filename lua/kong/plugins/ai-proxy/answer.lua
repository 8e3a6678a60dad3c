-- The answer of a model, whole: translated when the head comes, sent instead of the body.

local cjson = require "cjson.safe"
local context = require "kong.llm.context"
local gzip = require "kong.tools.gzip"
local log = require "kong.plugins.ai-proxy.log"
local stream = require "kong.plugins.ai-proxy.stream"

local kong, ngx = kong, ngx
local require, type = require, type

local _M = {}


-- ---- head -----------------------------------------------------------------------------------

local function set_encoding(state)
  if state.stream then
    state.stream_type = kong.service.response.get_header("Content-Type")
    kong.response.set_header("Content-Type", "text/event-stream")
    kong.response.clear_header("Content-Length")
    kong.response.clear_header("Content-Encoding")
  elseif state.accepts_gzip then
    kong.response.clear_header("Content-Length")
    kong.response.set_header("Content-Encoding", "gzip")
  else
    kong.response.clear_header("Content-Encoding")
  end
end


-- Takes the counts out of an answer in OpenAI's format.
local function count(state, body)
  local usage = type(body) == "table" and body.usage
  if type(usage) == "table" then
    state.counts.prompt = usage.prompt_tokens or state.counts.prompt
    state.counts.completion = usage.completion_tokens or state.counts.completion
  end
end


-- Reads the whole answer, if it is not streamed.
local function read(state)
  context.answered()
  if state.response_body or state.stream then
    return
  end
  local body = kong.service.response.get_raw_body()
  if body and kong.service.response.get_header("Content-Encoding") == "gzip" then
    body = gzip.inflate_gzip(body)
  end
  state.response_body = body
  if not body then
    return
  elseif not state.adapter then
    return count(state, cjson.decode(body))
  end
  local counts, err = state.adapter:extract_metadata(body)
  if not counts then
    kong.log.info("failed to parse native response format for analytics: ", err)
    return
  end
  state.counts.prompt, state.counts.completion = counts.prompt_tokens, counts.completion_tokens
end


-- Translates the whole answer; one that cannot be becomes an error.
local function translate(conf, state)
  local driver, body, err = require("kong.llm.drivers." .. conf.model.provider), state.response_body, nil
  driver.post_request()
  if not body then
    err = "no response body found when transforming response"
  elseif not state.adapter then
    body, err = driver.from_format(body, conf.model, conf.route_type)
  end
  if err then
    kong.log.err("issue when transforming the response body for analytics: ", err)
    ngx.status = 500
    body = cjson.encode { error = { message = err } }
  end
  count(state, cjson.decode(body))
  state.response_body = body
end


function _M.header_filter(conf)
  local state = context.current()
  if kong.response.get_source() ~= "service" then
    kong.response.clear_header("Content-Encoding")
    return
  end
  set_encoding(state)
  read(state)
  if kong.service.response.get_status() ~= 200 or state.transforms then
    return
  end
  if conf.model_name_header or kong.request.get_header("Kong-Debug") then
    kong.response.set_header("X-Kong-LLM-Model", conf.model.provider .. "/" .. (context.model().name or ""))
  end
  if state.preserve then
    return
  end
  if not state.stream then
    translate(conf, state)
    if not state.accepts_gzip then
      kong.response.set_header("Content-Length", #state.response_body)
    end
  end
  context.set_cost(conf.model.options)
end


-- ---- body -----------------------------------------------------------------------------------

local function send_whole(conf, state)
  if state.sent then
    ngx.arg[1] = nil
    return
  end
  state.sent = true
  log.write(conf, state)
  ngx.arg[1] = state.accepts_gzip and gzip.deflate_gzip(state.response_body) or state.response_body
  ngx.arg[2] = true
end


function _M.body_filter(conf)
  local state = context.current()
  if state.response_sent then
    return
  elseif state.response_body and not state.stream then
    return send_whole(conf, state)
  end
  local last = ngx.arg[2]
  if kong.response.get_source() == "service" and kong.service.response.get_status() == 200
     and not state.transforms and not state.preserve
  then
    stream.body_filter(conf, state)
  end
  if last then
    log.write(conf, state)
  end
end


return _M
