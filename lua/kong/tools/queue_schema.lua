-- How plugins describe a queue.

local Schema = require "kong.db.schema"

local FOREVER = 1000000

return Schema.define {
  type = "record",
  fields = {
    { max_batch_size = {
        description = "How many entries are handed over at a time, at most.",
        type = "integer", between = { 1, FOREVER }, default = 1,
    } },
    { max_coalescing_delay = {
        description = "How many seconds the first entry waits for others, at most.",
        type = "number", between = { 0, 3600 }, default = 1,
    } },
    { max_entries = {
        description = "How many entries can wait, at most.",
        type = "integer", between = { 1, FOREVER }, default = 10000,
    } },
    { max_bytes = {
        description = "How many bytes can wait, at most; entries must be strings then.",
        type = "integer", default = nil,
    } },
    { max_retry_time = {
        description = "For how many seconds a failing batch is tried again.",
        type = "number", default = 60,
    } },
    { initial_retry_delay = {
        description = "Seconds before a failing batch is tried for the second time.",
        type = "number", between = { 0.001, FOREVER }, default = 0.01,
    } },
    { max_retry_delay = {
        description = "Seconds between two tries of a batch, at most.",
        type = "number", between = { 0.001, FOREVER }, default = 60,
    } },
    { concurrency_limit = {
        description = "How many timers deliver: 1, or -1 for one for each entry.",
        type = "integer", one_of = { -1, 1 }, default = 1,
    } },
  },
}
