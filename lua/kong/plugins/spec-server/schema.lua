-- The mock servers of specs, served by a node. Not for use elsewhere.

return {
  name = "spec-server",
  fields = {
    { config = {
      type = "record",
      fields = {
        -- A JSON file: a list of servers as spec.internal.server_blocks reads them.
        { file = { type = "string", required = true } },
        -- The process without which there is no use for these servers.
        { parent = { type = "integer" } },
      },
    } },
  },
}
