-- resty.openssl.bn: big numbers.
local native = require "resty.openssl.native"

local ask, compute, read, write = native.bn_ask, native.bn_compute, native.bn_read, native.bn_write
local error, getmetatable, ipairs, pairs, rawget, setmetatable, tonumber, type =
  error, getmetatable, ipairs, pairs, rawget, setmetatable, tonumber, type
local floor = math.floor

local _M = {}
local mt = { __index = _M }


local function wrap(number, err)
  if not number then
    return nil, err
  end
  return setmetatable({ ctx = number }, mt)
end

_M._wrap = wrap


function _M.istype(object)
  return getmetatable(object) == mt
end


-- A number of a Lua number without fraction, or of a text in the given base.
function _M.new(value, base)
  if value == nil then
    return wrap(read("", "bin"))
  end
  if type(value) == "number" then
    if value < 0 or value ~= floor(value) then
      return nil, "bn.new: bn:set: BN_set_word failed"
    end
    return wrap(read(("%.0f"):format(value), "dec"))
  end
  if type(value) ~= "string" then
    return nil, "bn.new: expect nil, a number or a string at #1"
  end
  if base == nil or base == 10 then
    return _M.from_dec(value)
  elseif base == 16 then
    return _M.from_hex(value)
  elseif base == 2 then
    return _M.from_binary(value)
  end
  return nil, "bn.new: unsupported base: " .. base
end


local function reader(form, name)
  return function(text)
    if type(text) ~= "string" then
      return nil, "bn." .. name .. ": expect a string at #1"
    end
    return wrap(read(text, form))
  end
end

_M.from_binary = reader("bin", "from_binary")
_M.from_hex = reader("hex", "from_hex")
_M.from_dec = reader("dec", "from_dec")

function _M.from_mpi(text)
  if type(text) ~= "string" or #text < 4 then
    return nil, "bn.from_mpi: expect a string at #1"
  end
  return _M.from_binary(text:sub(5))
end


function _M.dup(value)
  return wrap(compute("add", value, 0))
end


function _M:to_binary(length)
  return write(self.ctx, "bin", length)
end

function _M:to_hex()
  return write(self.ctx, "hex")
end

function _M:to_dec()
  return write(self.ctx, "dec")
end

_M.tostring = _M.to_dec

function _M:to_mpi()
  local bytes = self:to_binary()
  if bytes ~= "" and bytes:byte() >= 0x80 then
    bytes = "\0" .. bytes
  end
  local length = #bytes
  return string.char(floor(length / 16777216) % 256, floor(length / 65536) % 256,
                     floor(length / 256) % 256, length % 256) .. bytes
end

function _M:to_number()
  return tonumber(self:to_dec())
end

_M.tonumber = _M.to_number


local function number_of(value)
  return type(value) == "table" and rawget(value, "ctx") or value
end

local WORDS = { sub = "substract" }

local function operation(name, count)
  return function(...)
    local a, b, m = ...
    if b == nil and count > 1 or m == nil and count > 2 then
      return nil, "bn:" .. name .. ": expect a bn instance or number"
    end
    if type(a) == "string" or type(b) == "string" then
      error("cannot " .. (WORDS[name] or name) .. " a string to bignum", 2)
    end
    return wrap(compute(name, number_of(a), number_of(b), number_of(m)))
  end
end

for name, count in pairs {
  add = 2, sub = 2, mul = 2, div = 2, mod = 2, sqr = 1, exp = 2, gcd = 2, lshift = 2, rshift = 2,
  mod_add = 3, mod_sub = 3, mod_mul = 3, mod_exp = 3, mod_sqr = 2,
} do
  _M[name] = operation(name, count)
end
_M.pow, _M.mod_pow, _M.nnmod = _M.exp, _M.mod_exp, operation("nnmod", 2)


function _M:set(value)
  local number, err = _M.new(value)
  if not number then
    return nil, err
  end
  self.ctx = number.ctx
  return true
end

for _, name in ipairs { "zero", "one", "odd", "negative" } do
  _M["is_" .. name] = function(self)
    return ask(name, self.ctx)
  end
end

function _M:is_word(word)
  return ask("compare", self.ctx, word) == 0
end

function _M:is_prime()
  return ask("prime", self.ctx)
end

function _M.generate_prime(bits, safe)
  return wrap(native.bn_prime(bits, safe))
end


mt.__tostring = _M.to_dec
mt.__add, mt.__sub, mt.__mul, mt.__div, mt.__mod, mt.__pow =
  _M.add, _M.sub, _M.mul, _M.div, _M.mod, _M.exp
mt.__unm = function(self)
  return _M.sub(0, self)
end

local function compare(a, b)
  return ask("compare", number_of(a), number_of(b))
end

mt.__eq = function(a, b) return compare(a, b) == 0 end
mt.__lt = function(a, b) return compare(a, b) < 0 end
mt.__le = function(a, b) return compare(a, b) <= 0 end


return _M
