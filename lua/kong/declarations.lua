--- C types and functions that plugins use through LuaJIT's FFI without declaring them: OpenResty and Kong
-- have always done so before a plugin loads.

require("ffi").cdef [[
  typedef unsigned char u_char;
  typedef uintptr_t ngx_uint_t;
  typedef intptr_t ngx_int_t;
  typedef struct { size_t len; const unsigned char *data; } ngx_str_t;

  typedef long time_t;
  typedef int clockid_t;
  typedef struct timespec { time_t tv_sec; long tv_nsec; } nanotime;
  int clock_gettime(clockid_t clk_id, struct timespec *tp);

  int open(const char *filename, int flags, ...);
  size_t read(int fd, void *buf, size_t count);
  int write(int fd, const void *ptr, int numbytes);
  int close(int fd);
  char *strerror(int errnum);

  int gethostname(char *name, size_t len);
  int setenv(const char *name, const char *value, int overwrite);
  int unsetenv(const char *name);
  extern char **environ;
]]

return true
