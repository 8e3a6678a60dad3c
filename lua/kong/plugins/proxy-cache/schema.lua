local strategies = require "kong.plugins.proxy-cache.strategies"
local typedefs = require "kong.db.schema.typedefs"

local function list(elements, default, description)
  return { description = description, type = "array", required = default and true or nil,
           elements = elements, default = default }
end

local function check_dictionary(entity)
  local config = entity.config
  local name = config.strategy == "memory" and config.memory.dictionary_name
  if name and not ngx.shared[name] then
    return nil, "missing shared dict '" .. name .. "'"
  end
  return true
end

local codes = list({ type = "integer", between = { 100, 900 } }, { 200, 301, 404 },
                   "Status codes of responses to keep.")
codes.len_min = 1

local config = {
  type = "record",
  fields = {
    { response_code = codes },
    { request_method = list({ type = "string", one_of = { "HEAD", "GET", "POST", "PATCH", "PUT" } },
                            { "GET", "HEAD" }, "Methods of requests whose responses are kept.") },
    { content_type = list({ type = "string" }, { "text/plain", "application/json" },
                          "Content types of responses to keep, parameters included.") },
    { cache_ttl = {
        description = "Seconds that a response is good for.", type = "integer", default = 300, gt = 0,
    } },
    { strategy = {
        description = "Where responses are kept.",
        type = "string", required = true, one_of = strategies.STRATEGY_TYPES,
    } },
    { cache_control = {
        description = "Whether `Cache-Control` of requests and responses counts (RFC 9111).",
        type = "boolean", required = true, default = false,
    } },
    { ignore_uri_case = { type = "boolean", required = false, default = false } },
    { storage_ttl = {
        description = "Seconds that a response is kept, whatever it is good for.", type = "integer",
    } },
    { memory = { type = "record", fields = { { dictionary_name = {
        description = "The shared dictionary that responses are kept in.",
        type = "string", required = true, default = "kong_db_cache",
    } } } } },
    { vary_query_params = list({ type = "string" }, nil,
        "Query arguments that tell responses apart; all if there are none.") },
    { vary_headers = list({ type = "string" }, nil, "Headers of requests that tell responses apart.") },
    { response_headers = {
        description = "Headers that tell how the response was come by.",
        type = "record",
        fields = {
          { age = { type = "boolean", default = true } },
          { ["X-Cache-Status"] = { type = "boolean", default = true } },
          { ["X-Cache-Key"] = { type = "boolean", default = true } },
        },
    } },
  },
}

return {
  name = "proxy-cache",
  fields = { { protocols = typedefs.protocols }, { config = config } },
  entity_checks = { { custom_entity_check = { field_sources = { "config" }, fn = check_dictionary } } },
}
