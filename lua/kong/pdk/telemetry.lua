-- kong.telemetry: log entries for telemetry back ends.

local hook = require "kong.dynamic_hook"

local type = type

local ERR_OFF = "Telemetry logging is disabled: log entry will not be recorded. "
                .. "Ensure the OpenTelemetry plugin is correctly configured to "
                .. "report logs in order to use this feature."

local _TELEMETRY = {}


function _TELEMETRY.log(plugin_name, plugin_config, message_type, message, attributes)
  if type(plugin_name) ~= "string" then
    return nil, "plugin_name must be a string"
  elseif type(plugin_config) ~= "table" then
    return nil, "plugin_config must be a table"
  elseif type(message_type) ~= "string" then
    return nil, "message_type must be a string"
  elseif message and type(message) ~= "string" then
    return nil, "message must be a string"
  elseif attributes and type(attributes) ~= "table" then
    return nil, "attributes must be a table"
  elseif not hook.is_group_enabled("observability_logs") then
    return nil, ERR_OFF
  end

  attributes = attributes or {}
  attributes["message.type"] = message_type
  attributes["plugin.name"] = plugin_name
  attributes["plugin.id"] = plugin_config.__plugin_id
  attributes["plugin.instance.name"] = plugin_config.plugin_instance_name
  hook.run_hook("observability_logs", "push", 5, attributes, nil, message)
  return true
end


return { new = function() return _TELEMETRY end }
