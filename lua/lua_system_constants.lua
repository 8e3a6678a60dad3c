-- lua_system_constants: numbers of open(2) and chmod(2) on Linux, each behind a function.

local pairs = pairs

local _M = {}

for name, number in pairs {
  O_RDONLY = 0, O_WRONLY = 1, O_CREAT = 64, O_TRUNC = 512, O_APPEND = 1024,
  S_IRUSR = 256, S_IWUSR = 128, S_IXUSR = 64,
  S_IRGRP = 32, S_IWGRP = 16, S_IXGRP = 8,
  S_IROTH = 4, S_IWOTH = 2, S_IXOTH = 1,
} do
  _M[name] = function()
    return number
  end
end

return _M
