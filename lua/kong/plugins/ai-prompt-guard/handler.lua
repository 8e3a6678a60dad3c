-- ai-prompt-guard: prompts pass, or do not, by what they say.

local guard = require "kong.plugins.ai-prompt-guard.filters.guard-prompt"
local kong_meta = require "kong.meta"

local AiPromptGuard = {
  VERSION = kong_meta.version,
  PRIORITY = 771,
}


function AiPromptGuard:access(conf)
  return guard.run(conf)
end


return AiPromptGuard
