-- What specs assert beyond luassert: responses, requests as the mock upstream saw them, log files.

local cjson = require "cjson.safe"
local luassert = require "luassert.assert"
local say = require "say"

local settings = require "spec.internal.settings"
local text = require "spec.internal.text"

local assert, error, getmetatable, insert, ipairs, pairs, rawget, rawset, setmetatable, tostring, type,
    xpcall =
  assert, error, getmetatable, table.insert, ipairs, pairs, rawget, rawset, setmetatable, tostring, type,
      xpcall
local lookup = text.lookup

local ERROR_LINES = 60


-- Registers an assertion with what it says where it fails, plain and negated.
local function register(name, check, positive, negative)
  local key = "kong.assertion." .. name
  say:set(key .. ".positive", positive)
  say:set(key .. ".negative", negative or positive)
  luassert:register("assertion", name, check, key .. ".positive", key .. ".negative")
end


-- Puts what a failure tells about before the arguments.
local function tell(args, ...)
  local told = { ... }
  for i = 1, #told do
    args[i] = told[i]
  end
  args.n = #told
end


local function is_response(value)
  return type(value) == "table" and type(value.read_body) == "function"
end


-- ---- modifiers ------------------------------------------------------------------------------

luassert:register("modifier", "response", function(state, args)
  local res = args[1]
  assert(is_response(res), "response modifier requires a response object as argument, got: " .. tostring(res))
  rawset(state, "kong_response", res)
  rawset(state, "kong_request", nil)
  return state
end)


luassert:register("modifier", "request", function(state, args)
  local res = args[1]
  assert(is_response(res), "Expected a http response object, got '" .. tostring(res) .. "'")
  local body = assert(res:read_body())
  local request, err = cjson.decode(body)
  if not request then
    error("Expected the http response object to have a json encoded body, but decoding gave error '"
          .. tostring(err) .. "'. Obtained body: " .. body)
  end
  if lookup(res.headers or {}, "X-Powered-By") ~= "mock_upstream" then
    error("Could not determine the response to be from mock_upstream")
  end
  rawset(state, "kong_request", request)
  rawset(state, "kong_response", nil)
  return state
end)


luassert:register("modifier", "certificate", function(state, args)
  assert(type(args[1]) == "string", "Expected a certificate text, got '" .. tostring(args[1]) .. "'")
  rawset(state, "kong_certificate", args[1])
  return state
end)


local function select_log(state, args)
  local path = args[1] or settings.conf.nginx_err_logs
  assert(type(path) == "string", "logfile modifier expects nil, or a string as argument, got: " .. type(path))
  rawset(state, "errlog_path", path)
  return state
end

luassert:register("modifier", "logfile", select_log)
luassert:register("modifier", "errlog", select_log)


-- ---- responses ------------------------------------------------------------------------------

-- The last lines of the node's error log above debug, for a response that says the node failed.
local function log_tail()
  local file = io.open(settings.conf.nginx_err_logs)
  if not file then
    return ""
  end
  local lines = {}
  for line in file:lines() do
    if not line:find(" [debug] ", 1, true) then
      insert(lines, line)
    end
  end
  file:close()
  local first = #lines > ERROR_LINES and #lines - ERROR_LINES + 1 or 1
  return "\nThe end of " .. settings.conf.nginx_err_logs .. ":\n" .. table.concat(lines, "\n", first)
end


local function strip(body)
  return (body:gsub("^%s+", ""):gsub("%s+$", ""))
end


local function has_status(state, args)
  assert(not rawget(state, "kong_request"),
         "Cannot check statuscode against a request object, only against a response object")
  local expected, res = args[1], args[2] or rawget(state, "kong_response")
  assert(type(expected) == "number", "Expected response code must be a number value. Got: "
      .. tostring(expected))
  assert(is_response(res), "Expected a http_client response. Got: " .. tostring(res))
  local body, err = res:read_body()
  local shown = strip(body or "Error reading body: " .. tostring(err))
  tell(args, expected, res.status, shown, expected ~= res.status and res.status == 500 and log_tail() or "")
  if expected ~= res.status then
    return false
  end
  return true, { shown }
end

local STATUS = "Invalid response status code.\nStatus %s:\n%%s\nStatus received:\n%%s\nBody:\n%%s\n%%s"
for _, name in ipairs { "status", "res_status" } do
  register(name, has_status, STATUS:format("expected"), STATUS:format("not expected"))
end


register("jsonbody", function(state, args)
  local request, res = rawget(state, "kong_request"), rawget(state, "kong_response")
  assert(args[1] == nil and request or res, "the `jsonbody` assertion does not take parameters. "
         .. "Use the `response`/`require` modifiers to set the target to operate on")
  if res then
    local body = res:read_body()
    local document, err = cjson.decode(body)
    if not document then
      tell(args, "Error decoding: " .. tostring(err) .. "\nResponse body:" .. body)
      return false
    end
    return true, { document }
  end
  local data = request.post_data
  if data and data.params and (data.kind == "json" or data.kind == "json (error)") then
    return true, { { params = data.params, data = data.text, error = data.error, kind = data.kind } }
  end
  error("No json data found in the request")
end, "Expected response body to contain valid json. Got:\n%s\n",
     "Expected response body to not contain valid json. Got:\n%s\n")


-- ---- names in requests and responses --------------------------------------------------------

-- An assertion that a table of a request or a response has a name; answers its value.
local function register_lookup(name, what, values_of)
  local key = "Expected %s:\n%%s\nBut it was not found in:\n%%s\n"
  register(name, function(state, args)
    local wanted = args[1]
    local values, shown = values_of(state, args)
    local value = lookup(values, wanted)
    tell(args, wanted, shown or values)
    if value == nil then
      return false
    end
    return true, { value }
  end, key:format(what), ("Did not expect %s:\n%%s\nBut it was found in:\n%%s\n"):format(what))
end


register_lookup("header", "header", function(state, args)
  local of = args[2] or rawget(state, "kong_request") or rawget(state, "kong_response")
  assert(type(of) == "table" and type(of.headers) == "table",
         "'header' assertion input does not contain a 'headers' subtable")
  return of.headers
end)


register_lookup("queryparam", "query parameter", function(state)
  local request = rawget(state, "kong_request")
  assert(request, "'queryparam' assertion only works with a request object")
  return type(request.uri_args) == "table" and request.uri_args
         or error("No query parameters found in request object")
end)


register_lookup("formparam", "url encoded form parameter", function(state)
  local request = rawget(state, "kong_request")
  assert(request, "'formparam' assertion can only be used with a mock_upstream request object")
  local data = request.post_data
  if not data or data.kind ~= "form" and data.kind ~= "multipart-form" then
    error("Could not determine the request to be from either mock_upstream")
  end
  return data.params or {}, request
end)


-- ---- logs -----------------------------------------------------------------------------------

local function matches(line, pattern, is_plain)
  if is_plain then
    return line:find(pattern, 1, true) ~= nil
  end
  local from, _, err = ngx.re.find(line, pattern, "oj")
  if err then
    error(("invalid regex provided to logfile assertion %q: %s"):format(pattern, err), 0)
  end
  return from ~= nil
end


local function find_line(path, pattern, is_plain)
  local file = assert(io.open(path, "r"))
  local found
  for line in file:lines() do
    if matches(line, pattern, is_plain) then
      found = line
      break
    end
  end
  file:close()
  return found
end


register("line", function(state, args)
  local pattern, is_plain, timeout = args[1], args[2], args[3] or 2
  local path = args[4] or rawget(state, "errlog_path")
  assert(type(pattern) == "string", "Expected the regex argument to be a string")
  assert(type(path) == "string", "Expected the file path argument to be a string")
  assert(type(timeout) == "number" and timeout >= 0, "Expected the timeout argument to be a number >= 0")
  local limit = ngx.now() + timeout
  local found = find_line(path, pattern, is_plain)
  while not found and ngx.now() <= limit do
    ngx.sleep(0.05)
    found = find_line(path, pattern, is_plain)
  end
  tell(args, path, pattern, found)
  return found
end, "Expected file at:\n%s\nTo match:\n%s\n",
    "Expected file at:\n%s\nTo not match:\n%s\nBut matched line:\n%s\n")


register("match_re", function(_, args)
  local subject, pattern = args[1], args[2]
  assert(type(subject) == "string", "Expected the string argument to be a string")
  assert(type(pattern) == "string", "Expected the regex argument to be a string")
  local from, _, err = ngx.re.find(subject, pattern)
  if err then
    error(err)
  end
  tell(args, subject, pattern)
  return from ~= nil
end, "Expected log:\n%s\nTo match:\n%s\n", "Expected log:\n%s\nTo not match:\n%s\n")


-- ---- values ---------------------------------------------------------------------------------

register("fail", function(_, args)
  local shown = {}
  for name, value in pairs(args) do
    shown[name] = value
  end
  tell(args, shown)
  return false
end, "Fail assertion was called with the following parameters (formatted as a table);\n%s\n")


register("contains", function(_, args)
  local expected, list, is_pattern = args[1], args[2], args[3]
  -- errors of elements stand at the places of these, with holes between them
  for i, item in pairs(list) do
    if item == expected or is_pattern and type(item) == "string" and item:match(expected) then
      return true, { i }
    end
  end
  return false, {}
end, "Expected array to contain element.\nExpected to contain:\n%s\n",
     "Expected array to not contain element.\nExpected to not contain:\n%s\n")


register("gt", function(_, args)
  local least, value = args[1], args[2]
  tell(args, value, least)
  return value > least
end, "Given value (%s) should be greater than expected value (%s)\n",
     "Given value (%s) should not be greater than expected value (%s)\n")

luassert:register("matcher", "gt", function(_, args)
  local least = args[1]
  return function(value)
    return value > least
  end
end)


register("cn", function(state, args)
  local selected = rawget(state, "kong_certificate")
  if args[2] and selected then
    error("assertion 'cn' takes either a 'certificate' modifier, or 2 parameters, not both")
  end
  local expected = args[1]
  local cn = (args[2] or selected):match("CN%s*=%s*([^%s,]+)")
  tell(args, expected, cn or "(CN not found in certificate)")
  return cn == expected
end, "Expected certificate to have the given CN value.\nExpected CN:\n%s\nGot instead:\n%s\n",
     "Expected certificate to not have the given CN value.\nExpected CN to not be:\n%s\nGot instead:\n%s\n")


-- Where two tables differ in a way that is not wanted: the path, and both values.
local function first_mismatch(part, whole, wants_equal, path)
  for name, value in pairs(part) do
    local here = path and path .. "." .. name or name
    local other = type(whole) == "table" and whole[name] or nil
    if type(value) == "table" then
      local where, a, b = first_mismatch(value, other or {}, wants_equal, here)
      if where then
        return where, a, b
      end
    elseif (value == other) ~= wants_equal then
      return here, value, other
    end
  end
end


register("partial_match", function(state, args)
  local wants_equal = state.mod
  local where, a, b = first_mismatch(args[1], args[2], wants_equal)
  if where then
    args[1], args[2], args[3], args.n = where, a, b, 3
    return not wants_equal
  end
  return wants_equal
end, "Values at key %s should be equal but are not.\nExpected: %s, given: %s\n",
     "Values at key %s should not be equal\n")


-- ---- conditions that come true in time ------------------------------------------------------

local DEFAULTS = { timeout = 5, step = 0.05, message = "UNSPECIFIED", max_tries = 0,
                   ignore_exceptions = false, condition = "truthy" }

local CONDITIONS = {
  truthy = function(ok, result) return ok and result and true or false end,
  falsy = function(ok, result) return ok and not result end,
  error = function(ok) return not ok end,
  no_error = function(ok) return ok end,
}

local TYPES = { fn = "function", timeout = "number", step = "number", max_tries = "number",
                message = "string", ignore_exceptions = "boolean", condition = "string" }


local function checked(name, value, caller)
  local wanted = TYPES[name]
  local is_callable = wanted == "function" and type(value) == "table" and (getmetatable(value) or {}).__call
  if wanted and type(value) ~= wanted and not is_callable then
    error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(name, caller, wanted, type(value)), 3)
  elseif name == "condition" and not CONDITIONS[value] then
    error("bad argument 'condition' to '" .. caller
        .. "' (one of: 'truthy', 'falsy', 'error', 'no_error' expected)", 3)
  end
  return value
end


-- Keeps the stack of an error that ended a condition's function.
local function keep_trace(outcome)
  return function(err)
    outcome.trace = debug.traceback("", 2)
    return err
  end
end


local function attempt(context)
  ngx.update_time()
  local outcome = { tries = 0, started = ngx.now(), result = "" }
  local is_met, keep = CONDITIONS[context.condition], keep_trace(outcome)
  local forgives = context.ignore_exceptions or context.condition == "no_error"
  repeat
    local ok, result, err = xpcall(context.fn, keep)
    outcome.tries = outcome.tries + 1
    if not ok then
      outcome.raised, outcome.last = result, result
    elseif result ~= nil then
      outcome.value = result
    end
    if ok and err ~= nil then
      outcome.err, outcome.last = err, err
    end
    if is_met(ok, result) then
      outcome.is_met = true
      return outcome
    elseif not ok and not forgives then
      outcome.result = "error() raised"
      return outcome
    elseif outcome.tries == context.max_tries then
      outcome.result = "max tries (" .. context.max_tries .. ") reached"
      return outcome
    end
    ngx.update_time()
    local elapsed = ngx.now() - outcome.started
    if elapsed >= context.timeout then
      outcome.result = "timed out after " .. elapsed .. "s"
      return outcome
    end
    ngx.sleep(context.step)
  until false
end


-- What came of the tries, for a failure.
local function story(outcome)
  local write = require("pl.pretty").write
  local parts = {}
  for _, part in ipairs { { "Last returned value", outcome.value }, { "Last raised error", outcome.raised },
                          { "Last returned error", outcome.err } } do
    if part[2] ~= nil then
      insert(parts, part[1] .. ":\n\n" .. tostring((write(part[2]))) .. "\n")
    end
  end
  if outcome.raised ~= nil then
    insert(parts, outcome.trace .. "\n")
  end
  return table.concat(parts, "\n")
end


register("wait_until", function(state, args)
  assert(type(args[1]) == "table", "wait_until takes a table")
  local input, set = args[1], rawget(state, "kong_waiting") or {}
  local context = { message = input.message or args[2] }
  rawset(state, "kong_waiting", nil)
  for _, source in ipairs { input, set, DEFAULTS } do
    for name, value in pairs(source) do
      if context[name] == nil then
        context[name] = checked(name, value, "wait_until")
      end
    end
  end
  checked("fn", context.fn, "wait_until")
  local outcome = attempt(context)
  if outcome.is_met then
    return true, { outcome.value, n = 1 }
  end
  tell(args, context.message, outcome.result, story(outcome), context.timeout, context.step,
       ngx.now() - outcome.started, outcome.tries, outcome.raised ~= nil)
  args.nofmt = { true, true, true, true, true, true, true, true }
  return false, { outcome.last, n = 1 }
end, "Failed to assert eventual condition:\n\n%q\n\nResult: %s\n\n%s\n\nTimeout  = %s\nStep     = %s\n"
     .. "Elapsed  = %s\nTries    = %s\nRaised   = %s\n")


local MODIFIERS = { with_timeout = "timeout", with_step = "step", with_max_tries = "max_tries",
                    ignore_exceptions = "ignore_exceptions", with_debug = "debug" }

for modifier, field in pairs(MODIFIERS) do
  luassert:register("modifier", modifier, function(state, args)
    local set = rawget(state, "kong_waiting") or {}
    set[field] = checked(field, args[1], modifier)
    rawset(state, "kong_waiting", set)
    return state
  end)
end


-- `assert.eventually(f).with_timeout(10).is_truthy("message")`
luassert:register("assertion", "eventually", function(state, args)
  local context = rawget(state, "kong_waiting") or {}
  context.fn = checked("fn", args[1], "eventually")
  local chain = {}
  for modifier, field in pairs(MODIFIERS) do
    chain[modifier] = function(value)
      context[field] = checked(field, value, modifier)
      return chain
    end
  end
  for name, condition in pairs { is_truthy = "truthy", is_falsy = "falsy",
                                 has_error = "error", has_no_error = "no_error" } do
    chain[name] = function(message)
      context.condition = condition
      return luassert.wait_until(context, message)
    end
  end
  setmetatable(chain, { __index = function(_, name)
    error("unknown modifier/assertion: " .. tostring(name), 2)
  end })
  return true, { chain, n = 1 }
end)


return true
