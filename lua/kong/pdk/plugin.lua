-- kong.plugin: the plugin that runs.

local _PLUGIN = {}


-- The id of the plugin instance whose configuration runs.
function _PLUGIN.get_id()
  return ngx.ctx.plugin_id
end


return { new = function() return _PLUGIN end }
