local exporter = require "kong.plugins.prometheus.exporter"

return {
  ["/metrics"] = {
    GET = function()
      return exporter.collect()
    end,
  },
}
