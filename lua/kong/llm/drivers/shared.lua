-- What all drivers share, under the names that Kong has for it.

local context = require "kong.llm.context"
local driver = require "kong.llm.driver"
local events = require "kong.llm.events"
local json_array = require "kong.llm.json_array"
local tokens = require "kong.llm.tokens"

local _M = {
  merge_config_defaults = driver.merge_defaults,
  merge_model_options = require "kong.llm.model_options",
  frame_to_events = events,
  get_model = context.model,
}


-- The estimated tokens of a request or an answer; nil and an error.
function _M.calculate_cost(body, _, factor)
  if not body then
    return nil, "cannot calculate tokens on empty request"
  end
  return tokens.estimate(body, factor)
end


if _G.TEST then
  _M._count_words = tokens.count_words
  _M._frame_to_events = events
  _M._json_array_iterator = json_array

  function _M._set_kong(value)
    _G.kong = value
  end

  function _M._get_kong()
    return _G.kong
  end
end

return _M
