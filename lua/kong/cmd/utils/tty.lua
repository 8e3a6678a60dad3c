-- Whether somebody sits at the terminal.

local ffi = require "ffi"

ffi.cdef [[
  int isatty(int fd);
]]

local STDIN = 0


return {
  isatty = function() return ffi.C.isatty(STDIN) == 1 end,
}
