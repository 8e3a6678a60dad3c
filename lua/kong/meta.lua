-- Which release of Kong this gateway answers for.

local MAJOR, MINOR, PATCH = 3, 9, 3

local version_table = setmetatable({ major = MAJOR, minor = MINOR, patch = PATCH }, {
  __tostring = function(v)
    return ("%d.%d.%d%s"):format(v.major, v.minor, v.patch, v.suffix or "")
  end,
})

local version = tostring(version_table)

return {
  version = version,
  _NAME = "kong",
  _VERSION = version,
  _VERSION_TABLE = version_table,
  _SERVER_TOKENS = "kong/" .. version,
  _DEPENDENCIES = { nginx = { "1.25.3.2" } },
}
