-- ngx.re.split: what lies between the matches of a pattern, with the first capture of each.
local find, match = ngx.re.find, ngx.re.match
local sub = string.sub

local _M = { version = "0.1.29" }

function _M.split(subject, regex, options, ctx, max, res)
  local from = ctx and ctx.pos or 1
  local walk = { pos = from }
  local limit = max and max > 0 and max or math.huge
  local fields = 0
  local out = res or {}

  local function add(text)
    fields = fields + 1
    out[fields] = text
  end

  local pieces = 1
  local length = #subject
  while pieces < limit and walk.pos <= length do
    local at = walk.pos
    local first, last, err = find(subject, regex, options, { pos = at })
    if err then
      return nil, err
    end
    if not first then
      break
    end

    local capture = match(subject, regex, options, { pos = at })
    if last < first then
      -- An empty match splits after one character.
      if first > length then
        break
      end
      first, last = first + 1, first
      if last >= length then
        break
      end
    end
    add(sub(subject, from, first - 1))
    if capture[1] then
      add(capture[1])
    end
    pieces = pieces + 1
    from = last + 1
    walk.pos = from
  end

  add(sub(subject, from))
  if res then
    res[fields + 1] = nil
  end
  return out
end

-- Limits of the matcher are nginx's to set; here they are the library's own.
function _M.opt()
end

return _M
