return { name = "bench", fields = { { config = { type = "record", fields = {} } } } }
