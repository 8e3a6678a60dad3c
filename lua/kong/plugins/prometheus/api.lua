return require "kong.plugins.prometheus.status_api"
