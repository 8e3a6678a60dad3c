-- An answer that comes in events: each is translated when it is there.

local cjson = require "cjson.safe"
local context = require "kong.llm.context"
local events_of = require "kong.llm.events"
local gzip = require "kong.tools.gzip"
local openai = require "kong.llm.openai"

local kong, ngx = kong, ngx
local ceil, concat, ipairs, match, require, type =
  math.ceil, table.concat, ipairs, string.match, require, type

-- What events may come as.
local STREAMS = {
  ["text/event-stream"] = true,
  ["application/vnd.amazon.eventstream"] = true,
  ["application/json"] = true,
  ["application/stream+json"] = true,
  ["application/x-ndjson"] = true,
}
-- The head is out when an answer turns out to be none.
local NOT_EVENTS = 'data: {"error": true, "message": "empty or unsupported transformer response"}'
local CHARACTERS_PER_TOKEN = 4

local _M = {}


-- The events in a piece of the body; nil when it is no stream.
local function read(state, piece, last)
  local media_type = state.stream_type and match(state.stream_type, "^[^;]*")
  if media_type and not STREAMS[media_type] then
    return nil
  end
  if piece ~= "" and kong.service.response.get_header("Content-Encoding") == "gzip" then
    piece = gzip.inflate_gzip(piece) or piece
  end
  local events = events_of(piece, media_type) or {}
  local rest = kong.ctx.plugin.truncated_frame
  if last and rest then
    -- nothing will end it any more
    for _, event in ipairs(events_of("\n\n", media_type) or {}) do
      events[#events + 1] = event
    end
  end
  return events
end


-- The words in an event for the client.
local function words_in(event)
  local choice = type(event) == "table" and type(event.choices) == "table" and event.choices[1] or {}
  local delta = type(choice.delta) == "table" and choice.delta or {}
  local words = delta.content or choice.text
  return type(words) == "string" and words or "", choice.finish_reason
end


local function note(conf, state, text)
  local decoded = cjson.decode(text)
  if not decoded then
    return
  end
  local words, reason = words_in(decoded)
  state.finish_reason = reason or state.finish_reason
  if conf.logging and conf.logging.log_payloads then
    state.words = state.words or {}
    state.words[#state.words + 1] = words
  end
end


local function count(conf, state, told)
  if not told or not (conf.logging and conf.logging.log_statistics) then
    return
  end
  local counts = state.counts
  local prompt, completion = told.prompt_tokens or 0, told.completion_tokens or 0
  if not told.is_total then
    prompt, completion = prompt + (counts.prompt or 0), completion + (counts.completion or 0)
  end
  counts.prompt, counts.completion = prompt, completion
end


-- The text that the client gets for events.
local function translate(conf, state, events)
  local driver = require("kong.llm.drivers." .. conf.model.provider)
  local parts = {}
  for _, event in ipairs(events) do
    local text, _, told = driver.from_format(event, conf.model, "stream/" .. conf.route_type)
    if text == openai.DONE then
      parts[#parts + 1] = "data: " .. text
    elseif text then
      parts[#parts + 1] = "data: " .. text .. "\n\n"
      note(conf, state, text)
    end
    count(conf, state, told)
  end
  return concat(parts)
end


-- The answer as it would be, had it come whole: for logs.
local function finish(conf, state)
  local counts, said = state.counts, state.words and concat(state.words)
  if conf.logging and conf.logging.log_statistics and (counts.completion or 0) == 0 then
    counts.completion = ceil(#match(said or "", "^%s*(.-)%s*$") / CHARACTERS_PER_TOKEN)
  end
  context.set_cost(conf.model.options)
  local whole = openai.chat({ content = said }, state.finish_reason, {
    response = said, usage = openai.usage(counts.prompt or 0, counts.completion or 0),
  })
  whole.choices[1].logprobs = cjson.null
  state.response_body = cjson.encode(whole)
end


function _M.body_filter(conf, state)
  local piece, last = ngx.arg[1], ngx.arg[2]
  piece = type(piece) == "string" and piece or ""
  local events = read(state, piece, last)
  if not events then
    if piece ~= "" and not state.failed then
      state.failed = true
      ngx.arg[1], ngx.arg[2] = NOT_EVENTS, true
    elseif state.failed then
      ngx.arg[1] = nil
    end
    return
  end
  local text = translate(conf, state, events)
  if conf.llm_format == "openai" then
    ngx.arg[1] = text ~= "" and text or nil
  end
  if last then
    finish(conf, state)
  end
end


return _M
