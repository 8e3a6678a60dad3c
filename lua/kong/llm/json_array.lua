-- The elements of a JSON array that arrives piece by piece.

local byte, error, find, match, sub = string.byte, error, string.find, string.match, string.sub

local OPENS = { [byte "["] = true, [byte "{"] = true }
local CLOSES = { [byte "]"] = true, [byte "}"] = true }
local QUOTE, COMMA, BRACKET, ESCAPE = byte '"', byte ",", byte "]", byte "\\"


-- Where the string that opens at `at` ends; nil when it does not yet.
local function string_end(text, at)
  repeat
    at = find(text, '["\\]', at + 1)
    if at and byte(text, at) ~= QUOTE then
      -- what is escaped never ends it
      at = at + 1
    elseif at then
      return at
    end
  until not at
end


-- Where the element that begins at `from` ends, and the comma or bracket behind it, where it takes that to
-- know. Nil when it goes on.
local function element_end(text, from)
  local depth, at = 0, from
  while true do
    at = find(text, '[%[%]{},"\\]', at)
    local char = at and byte(text, at)
    if not char then
      return nil
    elseif char == QUOTE then
      at = string_end(text, at)
      if not at then
        return nil
      end
    elseif char == ESCAPE then
      at = at + 1
    elseif OPENS[char] then
      depth = depth + 1
    elseif depth == 0 then
      return at - 1, char
    elseif CLOSES[char] then
      depth = depth - 1
      if depth == 0 then
        return at
      end
    end
    at = at + 1
  end
end


-- The next element of what has arrived; sets `eof` at the closing bracket.
local function next_element(state)
  while not state.eof do
    local from = find(state.input, "%S", state.pos)
    if not from then
      return nil
    end
    local char = byte(state.input, from)
    if char == BRACKET then
      state.eof = true
    elseif char == COMMA then
      state.pos = from + 1
    else
      local last, behind = element_end(state.input, from)
      state.pos = last and last + 1 or from
      -- a brace that nothing opened ends it, too
      state.eof = behind == BRACKET or last and last < from
      return last and last >= from and match(sub(state.input, from, last), "^(.-)%s*$") or nil
    end
  end
end


-- An iterator over the elements in `input`, and in what `state` has left; each comes with the state to go on
-- with.
return function(input, state)
  state = state or { started = false, pos = 1, input = "", eof = false }
  if state.eof then
    error("Iterator has reached end of input", 0)
  end
  state.input, state.pos = sub(state.input, state.pos) .. (input or ""), 1
  if not state.started then
    local start = match(state.input, "^%s*%[()")
    if not start then
      error("Invalid start: expected '['", 0)
    end
    state.started, state.pos = true, start
  end
  return function()
    return next_element(state), state
  end
end
