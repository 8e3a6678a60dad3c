-- kong.ip: which peers are trusted to speak for others.

local native = require "kong.native"

return {
  new = function(kong)
    local trusts = native.trusts
    local none = #(kong.configuration.trusted_ips or {}) == 0
    return {
      is_trusted = function(address)
        return not none and trusts(address)
      end,
    }
  end,
}
