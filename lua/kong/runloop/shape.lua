-- The code of a phase for a sequence of plugins.
--
-- LuaJIT gives up on a function that enters a loop of two or three rounds, and what it cannot compile
-- runs ten times slower, above all calls to the host. So a sequence is not walked: it is written out
-- as straight code, which becomes one trace with the plugins in it. Routes with the same sequence
-- share the code; what differs, the configurations, is an argument.
--
-- A phase is a function of a list with the configuration that each step has while no consumer is known,
-- false for none. Where consumers may bring others, `access` leaves the list of those that hold in the
-- request's context, and later phases take that.

local host = require "host.running"
local native = require "kong.native"
local trace = require "kong.observability.tracing.instrumentation"

local ipairs, load, setmetatable = ipairs, load, setmetatable
local concat = table.concat

local HEAD = "local plugins, handlers, consumer_conf, rawset, enter_span, leave_span, trace, seam, enter, "
             .. "context = ...\nreturn function(confs)\nlocal conf, span\n"
local CONTEXT = "local ctx = context()\n"
local CHOOSING = 'local given = confs\nconfs = {}\nrawset(ctx, "KONG_CONFS", confs)\n'
local CHOOSABLE = "confs = ctx.KONG_CONFS or confs\n"
local TAIL = "enter(0)\nend"

-- `$` stands for the number of the step, `#` for that of its plugin.
local RUN = "enter(#)\nhandlers[$]:%s(conf)\n"
local MEASURED = "enter_span(plugins[$].name) enter_span(conf.__plugin_id)\n" .. RUN
                 .. "leave_span() leave_span()\n"
local FIXED = "conf = confs[$]\n"
local CHOSEN = "conf = confs[$]\nif conf then\n"
-- During access a consumer may become known, who brings a configuration of their own.
local CHOICE = "conf = given[$]\n"
               .. "if ctx.authenticated_consumer then\n"
               .. "conf = consumer_conf(plugins[$].number, ctx.authenticated_consumer.id) or conf\nend\n"
               .. "confs[$] = conf\nif conf then\n"
local COPIED = "conf = given[$]\nconfs[$] = conf\nif conf then\n"

-- What many plugins need at once does not fit into one trace: the compiler would give up on the phase. A call
-- that it cannot look into makes it end the trace and begin another behind it, whenever so many plugins ran.
local SEAM, MOST_TOGETHER = "seam()\n", 2

local _M = {}

-- While requests are traced: the phase begins with `open`, a plugin that has a span is between the two lines,
-- and what loggers read is complete before the first and given back after the last.
local OPEN = 'trace.open(ctx, "%s")\n'
local TRACED = 'span = trace.enter("kong.%s.plugin.' .. "%s" .. '")\n%sspan:finish()\n'
local CLOSE, RELEASE = "trace.close(ctx)\n", "trace.release(ctx)\n"

-- The code in use, by phase and sequence: the collector takes what no plan has any more.
local known = setmetatable({}, { __mode = "v" })


-- Code that finds the configuration of a step, and whether it opens a block.
local function choice(step, phase, chosen)
  if not chosen then
    return FIXED, false
  elseif phase ~= "access" then
    return CHOSEN, true
  end
  return step.by_consumer and CHOICE or COPIED, true
end


local function source(steps, phase, chosen, measured)
  local traced = trace.enabled and phase ~= "certificate"
  local lines = { HEAD }
  if traced or chosen then
    lines[#lines + 1] = CONTEXT
  end
  if chosen then
    lines[#lines + 1] = phase == "access" and CHOOSING or CHOOSABLE
  end
  if traced then
    lines[#lines + 1] = OPEN:format(phase) .. (phase == "log" and CLOSE or "")
  end
  local sewn = 0
  for i, step in ipairs(steps) do
    local runs = step.plugin[phase]
    if runs and sewn == MOST_TOGETHER then
      lines[#lines + 1], sewn = SEAM, 0
    end
    sewn = sewn + (runs and 1 or 0)
    -- While consumers choose, access notes the configuration of every step.
    if runs or (chosen and phase == "access") then
      local code, opens = choice(step, phase, chosen)
      local run = runs and (measured and MEASURED or RUN):format(phase) or ""
      if runs and traced and trace.of_plugins(phase) then
        run = TRACED:format(phase, step.plugin.name, run)
      end
      local numbers = { ["$"] = i, ["#"] = step.plugin.number }
      lines[#lines + 1] = (code .. run .. (opens and "end\n" or "")):gsub("[$#]", numbers)
    end
  end
  lines[#lines + 1] = (traced and phase == "log" and RELEASE or "") .. TAIL
  return concat(lines)
end


-- The function of a phase for a list of steps, each with `plugin` and `by_consumer`. `chosen` tells
-- that any of them is by consumer, `measured` that the time of each is to be told.
function _M.of(steps, phase, chosen, measured)
  local names = { measured and "measured " .. phase or phase }
  for i, step in ipairs(steps) do
    names[i + 1] = step.plugin.name .. (step.by_consumer and "*" or "")
  end
  local key = concat(names, " ")
  local code = known[key]
  if not code then
    local plugins, handlers = {}, {}
    for i, step in ipairs(steps) do
      plugins[i], handlers[i] = step.plugin, step.plugin.handler
    end
    code = load(source(steps, phase, chosen, measured), "=" .. key)
    code = code(plugins, handlers, native.consumer_conf, rawset, native.enter_span, native.leave_span, trace,
                native.seam, host.enter, host.ctx)
    known[key] = code
  end
  return code
end


return _M
