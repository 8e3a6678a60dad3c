-- The DNS client, set up.
return function()
  return require "kong.resty.dns.client"
end
