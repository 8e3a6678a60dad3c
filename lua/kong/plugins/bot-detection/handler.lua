-- bot-detection: holds back clients whose `User-Agent` is that of a bot.

local bots = require "kong.plugins.bot-detection.bots"
local kong_meta = require "kong.meta"
local lookup = require "kong.pdk.private.lookup"
local lrucache = require "resty.lrucache"
local strip = require("kong.tools.string").strip

local kong = kong
local ipairs, setmetatable, type = ipairs, setmetatable, type
local find = ngx.re.find

local REMEMBERED = 10000

local ERR_SEVERAL = "Only one User-Agent header allowed"

local BotDetection = {
  VERSION = kong_meta.version,
  PRIORITY = 2500,
}

-- What was found of names, by configuration.
local verdicts = setmetatable({}, { __mode = "k" })


local function matches(name, patterns)
  for _, pattern in ipairs(patterns or {}) do
    if find(name, pattern, "jo") then
      return true
    end
  end
  return false
end


local function is_held_back(conf, name)
  return not matches(name, conf.allow) and (matches(name, conf.deny) or matches(name, bots))
end


local function remembered(conf, name)
  local known = verdicts[conf]
  if not known then
    known = lrucache.new(REMEMBERED)
    verdicts[conf] = known
  end
  local verdict = known:get(name)
  if verdict == nil then
    verdict = is_held_back(conf, strip(name))
    known:set(name, verdict)
  end
  return verdict
end


function BotDetection:access(conf)
  local name = lookup.header("user-agent")
  if type(name) == "table" then
    return kong.response.error(400, ERR_SEVERAL)
  elseif name and remembered(conf, name) then
    return kong.response.error(403)
  end
end


return BotDetection
