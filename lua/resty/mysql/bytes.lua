-- Numbers and texts as MySQL's protocol writes them, little end first. What reads answers the next position,
-- too.

local null = ngx.null
local byte, char, find, sub = string.byte, string.char, string.find, string.sub
local floor = math.floor

local _M = {}


-- A number of `width` bytes.
function _M.number(data, at, width)
  local number = 0
  for i = at + width - 1, at, -1 do
    number = number * 256 + byte(data, i)
  end
  return number, at + width
end

local number = _M.number


function _M.from_number(value, width)
  local text = ""
  for _ = 1, width do
    text = text .. char(value % 256)
    value = floor(value / 256)
  end
  return text
end

local from_number = _M.from_number


-- What ends with a zero byte; nil where none does.
function _M.cstring(data, at)
  local last = find(data, "\0", at, true)
  if last then
    return sub(data, at, last - 1), last + 1
  end
end


local WIDTHS = { [252] = 2, [253] = 3, [254] = 8 }


-- A number that tells its own width; `ngx.null` for SQL's NULL, nil where there is none.
function _M.sized_number(data, at)
  local first = byte(data, at)
  if not first then
    return nil, at
  elseif first <= 250 then
    return first, at + 1
  elseif first == 251 then
    return null, at + 1
  end
  local width = WIDTHS[first]
  if not width then
    return nil, at + 1
  end
  return number(data, at + 1, width)
end

local sized_number = _M.sized_number


-- A text after its length; `ngx.null` for SQL's NULL.
function _M.sized_text(data, at)
  local length
  length, at = sized_number(data, at)
  if not length or length == null then
    return null, at
  end
  return sub(data, at, at + length - 1), at + length
end


function _M.from_sized_text(text)
  local length = #text
  if length <= 250 then
    return char(length) .. text
  elseif length < 65536 then
    return "\252" .. from_number(length, 2) .. text
  end
  return "\253" .. from_number(length, 3) .. text
end


return _M
