-- What plugins written before the PDK reach the gateway's objects through.
return setmetatable({}, {
  __index = function(_, name)
    if name == "dao" then
      return kong.db
    end
    return kong[name]
  end,
})
