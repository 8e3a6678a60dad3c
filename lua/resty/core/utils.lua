-- resty.core.utils: characters replaced one for one.
local find, gsub = string.find, string.gsub

local _M = { version = "0.1.28" }

local SPECIAL = "[%(%)%.%%%+%-%*%?%[%]%^%$]"

function _M.str_replace_char(text, char, by)
  if not find(text, char, nil, true) then
    return text
  end
  return (gsub(text, gsub(char, SPECIAL, "%%%0"), (gsub(by, "%%", "%%%%"))))
end

return _M
