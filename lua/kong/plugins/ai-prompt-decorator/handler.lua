-- ai-prompt-decorator: chats get messages before and behind those of the client.

local decorator = require "kong.plugins.ai-prompt-decorator.filters.decorate-prompt"
local kong_meta = require "kong.meta"

local AiPromptDecorator = {
  VERSION = kong_meta.version,
  PRIORITY = 772,
}


function AiPromptDecorator:access(conf)
  return decorator.run(conf)
end


return AiPromptDecorator
