-- ngx.re.split: what lies between the matches of a pattern, with the first capture of each.
local find, match = ngx.re.find, ngx.re.match
local sub = string.sub
local huge = math.huge
local error, tostring, type = error, tostring, type
local set_jit_stack_size = ngx.re._jit_stack_size
ngx.re._jit_stack_size = nil

local _M = { version = "0.1.28" }


-- The next match behind the start of a field: an empty one at that very start separates nothing.
local function next_match(subject, regex, options, start)
  local first, last, err = find(subject, regex, options, { pos = start })
  local at = start
  if first and last < first and first == start then
    at = start + 1
    if at > #subject then
      return nil
    end
    first, last, err = find(subject, regex, options, { pos = at })
  end
  if err then
    return nil, nil, nil, err
  end
  if not first or (last < first and first > #subject) then
    return nil
  end
  return first, last, at
end


function _M.split(subject, regex, options, ctx, max, res)
  if type(subject) ~= "string" then
    subject = tostring(subject)
  end
  local start = ctx and ctx.pos or 1
  local bounded = max and max > 0
  local limit = bounded and max or huge
  local out, fields, pieces = res or {}, 0, 1
  local length = #subject

  local function add(text)
    fields = fields + 1
    out[fields] = text
  end

  local from = start
  while pieces < limit and from <= length do
    local first, last, at, err = next_match(subject, regex, options, from)
    if err then
      return nil, err
    end
    if not first then
      break
    end
    add(sub(subject, from, first - 1))
    local capture = match(subject, regex, options, { pos = at })
    if capture[1] then
      add(capture[1])
    end
    pieces = pieces + 1
    from = last + 1
    if last < first then
      from = first
    end
  end
  if start <= length then
    add(sub(subject, from))
  end
  -- Without a bound empty fields at the end do not count.
  if not bounded then
    while fields > 0 and out[fields] == "" do
      out[fields] = nil
      fields = fields - 1
    end
  end
  if res then
    res[fields + 1] = nil
  end
  return out
end


-- Sets `jit_stack_size`: most bytes of stack that matching may use, for patterns that need much.
function _M.opt(option, value)
  if option ~= "jit_stack_size" then
    error("unrecognized option name", 2)
  elseif type(value) ~= "number" or value <= 0 then
    error("jit_stack_size must be a positive number", 2)
  end
  set_jit_stack_size(value)
end


return _M
