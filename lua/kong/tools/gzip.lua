-- gzip (RFC 1952) of whole strings.

local native = require "kong.native"

return {
  deflate_gzip = native.deflate_gzip,
  inflate_gzip = native.inflate_gzip,
}
