-- Fields of log plugins that `queue` has taken the place of.

local ipairs = ipairs

local FIELDS = {
  { "retry_count", "integer", 10, "no longer works", "max_retry_time" },
  { "queue_size", "integer", 1, "is deprecated", "max_batch_size" },
  { "flush_timeout", "number", 2, "is deprecated", "max_coalescing_delay" },
}


-- The fields in the schema of a plugin.
return function(plugin)
  local fields = {}
  for i, row in ipairs(FIELDS) do
    local name, kind, default, fate, successor = row[1], row[2], row[3], row[4], row[5]
    local message = "%s: config.%s %s, please use config.queue.%s instead"
    fields[i] = { [name] = {
      description = "Replaced by `queue." .. successor .. "`.", type = kind,
      deprecation = {
        message = message:format(plugin, name, fate, successor), removal_in_version = "4.0",
        old_default = default,
      },
    } }
  end
  return fields[1], fields[2], fields[3]
end
