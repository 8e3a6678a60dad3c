-- Reads nginx server blocks: the subset that specs use for mock servers.

local concat, find, gsub, lower, match, sub =
  table.concat, string.find, string.gsub, string.lower, string.match, string.sub
local error, ipairs, tonumber, tostring, type = error, ipairs, tonumber, tostring, type

local server_blocks = {}

local CODE = { rewrite_by_lua_block = "rewrite", access_by_lua_block = "access",
    content_by_lua_block = "content",
               header_filter_by_lua_block = "header_filter", log_by_lua_block = "log",
               ssl_certificate_by_lua_block = "certificate", init_by_lua_block = "init",
               init_worker_by_lua_block = "init_worker" }

-- Directives that need nothing done here.
local IGNORED = "^keepalive|^error_log|^access_log|^ssl_|^client_|^default_type|^lua_|^real_ip|^set_real_ip|"
                .. "^charset|^server_tokens|^internal|^root|^resolver|^proxy_|^http2|"
                .. "^output_buffering|^include|^chunked_transfer_encoding"


-- ---- words ----------------------------------------------------------------------------------

-- The end of a block of Lua that begins after its brace: braces in strings and comments do not count.
local function end_of_lua(text, at)
  local depth = 1
  while at <= #text do
    local char = sub(text, at, at)
    local long = match(text, "^%[(=*)%[", at)
    if sub(text, at, at + 1) == "--" then
      local block = match(text, "^%-%-%[(=*)%[", at)
      local _, stop = find(text, block and "]" .. block .. "]" or "\n", at, true)
      at = stop or #text
    elseif long then
      local _, stop = find(text, "]" .. long .. "]", at, true)
      at = stop or #text
    elseif char == '"' or char == "'" then
      repeat
        at = at + 1
        if sub(text, at, at) == "\\" then
          at = at + 2
        end
      until sub(text, at, at) == char or at > #text
    elseif char == "{" then
      depth = depth + 1
    elseif char == "}" then
      depth = depth - 1
      if depth == 0 then
        return at
      end
    end
    at = at + 1
  end
  error("a block of Lua has no end", 0)
end


-- The directives of a text from a place on, up to the brace that ends their block.
local function read_block(text, at)
  local directives, words = {}, {}
  while true do
    at = find(text, "%S", at)
    if not at then
      return directives, #text + 1
    end
    local char = sub(text, at, at)
    if char == "#" then
      at = find(text, "\n", at, true) or #text + 1
    elseif char == ";" then
      directives[#directives + 1] = { words = words }
      words, at = {}, at + 1
    elseif char == "}" then
      return directives, at + 1
    elseif char == "{" and CODE[words[1]] then
      local stop = end_of_lua(text, at + 1)
      directives[#directives + 1] = { words = words, code = sub(text, at + 1, stop - 1) }
      words, at = {}, stop + 1
    elseif char == "{" then
      local inner
      inner, at = read_block(text, at + 1)
      directives[#directives + 1], words = { words = words, inner = inner }, {}
    elseif char == '"' or char == "'" then
      local stop = at
      repeat
        stop = find(text, char, stop + 1, true) or error("a quote has no end", 0)
      until sub(text, stop - 1, stop - 1) ~= "\\"
      words[#words + 1], at = gsub(sub(text, at + 1, stop - 1), "\\(.)", function(escaped)
        return (escaped == char or escaped == "\\") and escaped or "\\" .. escaped
      end), stop + 1
    else
      local word = match(text, "^[^%s;{}]+", at)
      -- A brace belongs to the word in ${name} and in a pattern's {1,3}.
      while match(text, "^%b{}[^%s;]*", at + #word) and find(word, "[%$%)%]%w]$") and find(word,
          "[%$~^\\]") do
        word = word .. match(text, "^%b{}[^%s;{}]*", at + #word)
      end
      words[#words + 1], at = word, at + #word
    end
  end
end


-- ---- servers --------------------------------------------------------------------------------

local function add(of, name, value)
  of[name] = of[name] or {}
  of[name][#of[name] + 1] = value
end


local function apply(of, directive)
  local words = directive.words
  local name = words[1]
  if CODE[name] then
    of[CODE[name]] = directive.code
  elseif name == "return" then
    of["return"] = { words[2], words[3] and concat(words, " ", 3) }
    if not tonumber(words[2]) then
      of["return"] = { "302", words[2] }
    end
  elseif name == "add_header" or name == "set" then
    add(of, name == "set" and "set" or name, { (gsub(words[2], "^%$", "")), words[3] or "" })
  elseif name == "echo" then
    of.echo = concat(words, " ", 2)
  else
    for pattern in IGNORED:gmatch("[^|]+") do
      if find(name, pattern) then
        return
      end
    end
    error("directive '" .. tostring(name) .. "' of a mock server is not served by this test kit", 0)
  end
end


local function location_of(directive)
  local words = directive.words
  local location = { kind = words[3] and words[2] or "", path = words[3] or words[2] }
  if not words[3] then
    -- nginx takes the modifier also without a space behind it.
    local kind, path = match(words[2], "^([=^]?~?%*?)(.+)$")
    if kind == "=" or kind == "~" or kind == "~*" or kind == "^~" then
      location.kind, location.path = kind, path
    end
  end
  for _, inner in ipairs(directive.inner) do
    apply(location, inner)
  end
  return location
end


local function listen_on(server, words)
  local port = tonumber(match(words[2], "(%d+)$"))
  if not port or find(words[2], "^unix:") then
    error("a mock server listens on '" .. words[2] .. "', which this test kit does not serve", 0)
  end
  server.ports[#server.ports + 1] = port
  for i = 3, #words do
    server.tls[tostring(port)] = server.tls[tostring(port)] or words[i] == "ssl" or nil
    server.http2[tostring(port)] = server.http2[tostring(port)] or words[i] == "http2" or nil
  end
end


local function server_of(directive)
  local server = { ports = {}, names = {}, locations = {}, tls = {}, http2 = {} }
  for _, inner in ipairs(directive.inner) do
    local name = inner.words[1]
    if name == "listen" then
      listen_on(server, inner.words)
    elseif name == "server_name" then
      for i = 2, #inner.words do
        server.names[#server.names + 1] = lower(inner.words[i])
      end
    elseif name == "location" then
      server.locations[#server.locations + 1] = location_of(inner)
    elseif name == "ssl_certificate" or name == "ssl_certificate_key" then
      local path = inner.words[2]
      server[name] = sub(path, 1, 2) ~= "$(" and path or nil
    else
      apply(server, inner)
    end
  end
  return server
end


-- Reads the server blocks of a text. `values` stand for `${{NAME}}`. Answers the list of servers and the
-- shared dictionaries that the text declares.
function server_blocks.read(text, values)
  text = gsub(text, "%${{%s*([%w_]+)%s*}}", function(name)
    local value = values[lower(name)]
    return type(value) == "table" and tostring(value[1]) or tostring(value)
  end)
  -- lines of Kong's templates that are code, around certificates as nodes have them anyway
  text = gsub("\n" .. text, "\n%s*>[^\n]*", "\n")
  local servers, dicts = {}, {}
  for _, directive in ipairs((read_block(text, 1))) do
    local name = directive.words[1]
    if name == "server" then
      servers[#servers + 1] = server_of(directive)
    elseif name == "lua_shared_dict" then
      dicts[#dicts + 1] = directive.words[2] .. " " .. directive.words[3]
    elseif not CODE[name] then
      apply({}, directive)
    end
  end
  return servers, dicts
end


return server_blocks
