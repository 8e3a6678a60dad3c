-- resty.openssl.pem: DER as text between two lines that name it.
local encode_base64 = ngx.encode_base64
local gsub, rep = string.gsub, string.rep

local LINE = rep(".", 64)

return function(label, der)
  local text = gsub(gsub(encode_base64(der), LINE, "%0\n"), "\n$", "")
  return "-----BEGIN " .. label .. "-----\n" .. text .. "\n-----END " .. label .. "-----\n"
end
