-- resty.upload: a multipart form, read piece by piece as it comes.
local match = string.match
local concat, ipairs, setmetatable, type = table.concat, ipairs, setmetatable, type
local ngx = ngx

local CHUNK, LINE = 4096, 512
local IN_PREAMBLE, IN_HEADER, IN_BODY, AT_END = 1, 2, 3, 4

local _M = { _VERSION = "0.11" }
local mt = { __index = _M }


local function boundary_of(content_type)
  if type(content_type) == "table" then
    content_type = content_type[1]
  end
  if not content_type then
    return nil, "no boundary defined in Content-Type"
  end
  local boundary = match(content_type, ";%s*boundary=\"([^\"]+)\"")
    or match(content_type, ";%s*boundary=([^\",;]+)")
  if not boundary then
    return nil, "no boundary defined in Content-Type"
  end
  return boundary
end


function _M.new(_, chunk_size, max_line_size, preserve_body)
  local boundary, err = boundary_of(ngx.var.content_type)
  if not boundary then
    return nil, err
  end
  local sock
  sock, err = ngx.req.socket()
  if not sock then
    return nil, err
  end
  local read_to_boundary
  read_to_boundary, err = sock:receiveuntil("--" .. boundary)
  if not read_to_boundary then
    return nil, err
  end
  local read_line
  read_line, err = sock:receiveuntil("\r\n")
  if not read_line then
    return nil, err
  end
  return setmetatable({
    sock = sock,
    size = chunk_size or CHUNK,
    line_size = max_line_size or LINE,
    read_to_boundary = read_to_boundary,
    read_body = sock:receiveuntil("\r\n--" .. boundary),
    read_line = read_line,
    boundary = boundary,
    state = IN_PREAMBLE,
    kept = preserve_body and {} or nil,
  }, mt)
end


function _M:set_timeout(timeout)
  if not self.sock then
    return nil, "not initialized"
  end
  return self.sock:settimeout(timeout)
end


local function keep(self, ...)
  local kept = self.kept
  if kept then
    for _, piece in ipairs { ... } do
      kept[#kept + 1] = piece
    end
  end
end


-- What follows a boundary: the end of its line, or the two dashes that end the form.
local function after_boundary(self)
  local mark, err = self.sock:receive(2)
  if not mark then
    return nil, nil, err
  end
  keep(self, mark)
  if mark == "--" then
    self.state = AT_END
    if self.kept then
      local rest = self.sock:receive("*a")
      keep(self, rest or "")
      ngx.req.init_body()
      ngx.req.set_body_data(concat(self.kept))
    else
      self.sock:receive("*a")
    end
    return "part_end"
  end
  if mark ~= "\r\n" then
    local line
    line, err = self.read_line(self.line_size)
    if not line then
      return nil, nil, err
    end
    keep(self, line, "\r\n")
    if self.read_line(1) then
      return nil, nil, "line too long: " .. line .. "..."
    end
  end
  self.state = IN_HEADER
  return "part_end"
end


local function read_header(self)
  local line, err = self.read_line(self.line_size)
  if not line then
    return nil, nil, err
  end
  if #line > 0 or err == nil then
    local more
    more, err = self.read_line(1)
    if more then
      return nil, nil, "line too long: " .. line .. more .. "..."
    end
    if err then
      return nil, nil, err
    end
  end
  keep(self, line, "\r\n")
  if line == "" then
    self.state = IN_BODY
    return self:read()
  end
  local name, value = match(line, "^([^:%s]+)%s*:%s*(.+)")
  if not name then
    return "header", line
  end
  return "header", { name, value, line }
end


local function read_body(self)
  local data, err = self.read_body(self.size)
  if err then
    return nil, nil, err
  end
  if not data then
    keep(self, "\r\n--" .. self.boundary)
    return after_boundary(self)
  end
  keep(self, data)
  return "body", data
end


local function read_preamble(self)
  local size = self.size
  while true do
    local data, err = self.read_to_boundary(size)
    if err then
      return nil, nil, err
    end
    if not data then
      break
    end
    keep(self, data)
  end
  keep(self, "--" .. self.boundary)
  local kind, _, err = after_boundary(self)
  if not kind then
    return nil, nil, err
  end
  return self:read()
end


-- The next piece: "header" with name, value and line, "body" with bytes, "part_end", "eof".
function _M:read()
  local state = self.state
  if state == IN_PREAMBLE then
    return read_preamble(self)
  elseif state == IN_HEADER then
    return read_header(self)
  elseif state == IN_BODY then
    return read_body(self)
  end
  return "eof", nil
end


return _M
