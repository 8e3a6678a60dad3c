-- The events in an answer that arrives in pieces: server-sent events, lines of JSON, an array of JSON, or an
-- AWS event stream. What is not all there yet waits in `kong.ctx.plugin`.

local cjson = require "cjson.safe"
local event_stream = require "kong.llm.event_stream"
local json_array = require "kong.llm.json_array"

local find, gmatch, ipairs, match, sub, type =
  string.find, string.gmatch, ipairs, string.match, string.sub, type

local DONE = "[DONE]"
local JSON, AWS = "application/json", "application/vnd.amazon.eventstream"


-- What the pieces of one answer have in common; a table of its own, where there is no request.
local function memory()
  return kong and kong.ctx and kong.ctx.plugin or {}
end


local function from_array(frame, memo)
  local events = {}
  if not memo.gemini_state and not find(frame, "%S") then
    return events
  end
  local elements = json_array(frame, memo.gemini_state)
  local element, state = elements()
  while element do
    events[#events + 1] = { data = element }
    element, state = elements()
  end
  memo.gemini_state = state
  if state.eof then
    memo.gemini_state = nil
    events[#events + 1] = { data = DONE }
  end
  return events
end


local function from_aws(frame, memo)
  local events = {}
  local messages, rest = event_stream((memo.truncated_frame or "") .. frame)
  memo.truncated_frame = rest ~= "" and rest or nil
  for i, message in ipairs(messages) do
    events[i] = { data = cjson.encode(message) }
  end
  return events
end


-- Each line is an event; the last one may still come to its end.
local function from_lines(text, memo)
  local events = {}
  for line, ending in gmatch(text, "([^\r\n]+)([\r\n]*)") do
    if ending == "" and not cjson.decode(line) then
      memo.truncated_frame = line
    else
      events[#events + 1] = { data = line }
    end
  end
  return events
end


-- Events end with an empty line.
local function from_sse(text, memo)
  local events, event, at = {}, {}, 1
  local kept = 1
  while true do
    local last, behind = match(text, "()\r?\n()", at)
    if not last then
      break
    end
    local line = sub(text, at, last - 1)
    at = behind
    if line == "" then
      if event.data or event.event or event.id then
        events[#events + 1], event = event, {}
      end
      kept = at
    else
      local field, value = match(line, "^([^:]+):%s*(.*)$")
      if field == "data" or field == "event" or field == "id" then
        event[field] = value
      end
    end
  end
  local whole = at > #text and event.data
  if whole and (whole == DONE or cjson.decode(whole)) then
    -- nobody waits for the empty line
    events[#events + 1] = event
  elseif kept <= #text then
    memo.truncated_frame = sub(text, kept)
  end
  return events
end


-- The events of a piece: each has `data` and maybe `event` and `id`; nil without any text.
return function(frame, content_type)
  if type(frame) ~= "string" or frame == "" then
    return nil
  end
  local memo = memory()
  if content_type == JSON and (memo.gemini_state or not find(frame, "^%s*{")) then
    return from_array(frame, memo)
  elseif content_type == AWS then
    return from_aws(frame, memo)
  end
  local text = (memo.truncated_frame or "") .. frame
  memo.truncated_frame = nil
  if find(text, "^%s*{") then
    return from_lines(text, memo)
  end
  return from_sse(text, memo)
end
