-- Hooks that observability switches on at run time. None is on yet: spans and request debugging
-- attach here.

local function off() end

return {
  run_hook = off,
  hook = off,
  hook_function = off,
  enable_by_default = off,
  disable_by_default = off,
  enable_on_this_request = off,
  always_enable = off,
  is_group_enabled = function() return false end,
}
