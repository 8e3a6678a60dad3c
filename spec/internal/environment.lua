-- Environment variables of this process, which nodes under test inherit.

local ffi = require "ffi"

ffi.cdef [[
  int setenv(const char *name, const char *value, int overwrite);
  int unsetenv(const char *name);
]]

local C = ffi.C

local environment = {}


function environment.setenv(name, value)
  assert(type(name) == "string", "env must be a string")
  assert(type(value) == "string", "value must be a string")
  return C.setenv(name, value, 1) == 0
end


function environment.unsetenv(name)
  assert(type(name) == "string", "env must be a string")
  return C.unsetenv(name) == 0
end


return environment
