-- Paths: normal form and escaping, the same code that the router uses.

local native = require "kong.native"

return {
  normalize = native.normalize_path,
  escape = native.escape_path,
}
