-- ffi-zlib: streams through the system's zlib, from a function that gives pieces to one that takes them.

local ffi = require "ffi"

local error, pcall, tonumber = error, pcall, tonumber
local copy, ffi_string, new, sizeof = ffi.copy, ffi.string, ffi.new, ffi.sizeof

ffi.cdef [[
  typedef struct {
    const uint8_t *next_in; unsigned int avail_in; unsigned long total_in;
    uint8_t *next_out; unsigned int avail_out; unsigned long total_out;
    const char *msg; void *state; void *zalloc; void *zfree; void *opaque;
    int data_type; unsigned long adler; unsigned long reserved;
  } kong_z_stream;

  const char *zlibVersion(void);
  const char *zError(int code);
  int inflateInit2_(kong_z_stream *stream, int window_bits, const char *version, int size);
  int inflate(kong_z_stream *stream, int flush);
  int inflateEnd(kong_z_stream *stream);
  int deflateInit2_(kong_z_stream *stream, int level, int method, int window_bits, int mem_level,
                    int strategy, const char *version, int size);
  int deflate(kong_z_stream *stream, int flush);
  int deflateEnd(kong_z_stream *stream);
  unsigned long adler32(unsigned long sum, const char *data, unsigned int length);
  unsigned long crc32(unsigned long sum, const char *data, unsigned int length);
]]

local Z_NO_FLUSH, Z_FINISH = 0, 4
local Z_OK, Z_STREAM_END, Z_BUF_ERROR = 0, 1, -5
local Z_DEFLATED = 8
-- gzip, and where it is read zlib's own format as well.
local GZIP, ANY = 15 + 16, 15 + 32
local PIECE = 16384

local found, z = pcall(ffi.load, "libz.so.1")
if not found then
  error("zlib is not installed (Debian has it as zlib1g): " .. z)
end

local _M = { _VERSION = "0.6" }


-- What zlib says of a failure.
local function complaint(stream, code)
  return stream.msg ~= nil and ffi_string(stream.msg) or ffi_string(z.zError(code))
end


-- Sends all of `input` through `step`, and what comes out to `output`. Answers the last code.
local function run(stream, step, input, output, size)
  local from, to = new("uint8_t[?]", size), new("uint8_t[?]", size)
  local flush, code = Z_NO_FLUSH, Z_OK
  while code ~= Z_STREAM_END do
    if stream.avail_in == 0 and flush == Z_NO_FLUSH then
      local piece = input(size)
      if piece then
        copy(from, piece, #piece)
        stream.next_in, stream.avail_in = from, #piece
      else
        flush = Z_FINISH
      end
    end
    stream.next_out, stream.avail_out = to, size
    code = step(stream, flush)
    if code ~= Z_OK and code ~= Z_STREAM_END and code ~= Z_BUF_ERROR then
      return code
    end
    local count = size - stream.avail_out
    if count > 0 then
      output(ffi_string(to, count))
    elseif code == Z_BUF_ERROR and flush == Z_FINISH then
      return code
    end
  end
  return code
end


-- True, or false and what failed. `prefix` says at what.
local function finish(stream, code, prefix)
  if code ~= Z_STREAM_END then
    return false, prefix .. ": " .. complaint(stream, code)
  end
  return true
end


function _M.version()
  return ffi_string(z.zlibVersion())
end


-- Unpacks gzip or zlib data, or what `window_bits` says it is.
function _M.inflateGzip(input, output, size, window_bits)
  local stream = new("kong_z_stream")
  local code = z.inflateInit2_(stream, window_bits or ANY, z.zlibVersion(), sizeof(stream))
  if code ~= Z_OK then
    return false, "INIT: " .. complaint(stream, code)
  end
  code = run(stream, z.inflate, input, output, size or PIECE)
  local ok, err = finish(stream, code, "INFLATE")
  z.inflateEnd(stream)
  return ok, err
end


-- Packs as gzip, or as `options` say: level, method, windowBits, memLevel, strategy.
function _M.deflateGzip(input, output, size, options)
  options = options or {}
  local stream = new("kong_z_stream")
  local code = z.deflateInit2_(stream, options.level or -1, options.method or Z_DEFLATED,
                               options.windowBits or GZIP, options.memLevel or 8, options.strategy or 0,
                               z.zlibVersion(), sizeof(stream))
  if code ~= Z_OK then
    return false, "INIT: " .. complaint(stream, code)
  end
  code = run(stream, z.deflate, input, output, size or PIECE)
  local ok, err = finish(stream, code, "DEFLATE")
  z.deflateEnd(stream)
  return ok, err
end


-- Checksums of a text, going on from one before.
function _M.adler(text, sum)
  return tonumber(z.adler32(sum or 1, text, #text))
end


function _M.crc(text, sum)
  return tonumber(z.crc32(sum or 0, text, #text))
end


return _M
