return {
  name = "soak",
  fields = {
    { config = {
      type = "record",
      fields = {
        { host = { type = "string", required = true } },
        { port = { type = "integer", required = true } },
        { queue = { type = "record", required = true, fields = {
          { max_batch_size = { type = "integer", default = 100 } },
          { max_coalescing_delay = { type = "number", default = 0.2 } },
          { max_entries = { type = "integer", default = 10000 } },
          { max_bytes = { type = "integer" } },
          { max_retry_time = { type = "number", default = 5 } },
          { initial_retry_delay = { type = "number", default = 0.01 } },
          { max_retry_delay = { type = "number", default = 1 } },
          { concurrency_limit = { type = "integer", default = 1 } },
        } } },
      },
    } },
  },
}
