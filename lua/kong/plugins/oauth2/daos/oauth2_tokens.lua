-- Tokens may be long: what they are cached by is a digest.

local to_hex = require("resty.string").to_hex

local sha1_bin = ngx.sha1_bin

local Tokens = {}


function Tokens:cache_key(access_token)
  return "oauth2_tokens:" .. to_hex(sha1_bin(self.super.cache_key(self, access_token)))
end


return Tokens
