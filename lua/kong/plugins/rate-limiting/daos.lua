-- Counters of the cluster policy. Route and service are plain ids: a counter may outlive them.

local function id_of_entity()
  return { type = "string", uuid = true, required = true }
end

return {
  {
    name = "ratelimiting_metrics",
    primary_key = { "identifier", "period", "period_date", "service_id", "route_id" },
    ttl = true,
    db_export = false,
    generate_admin_api = false,
    fields = {
      { identifier = { type = "string", len_min = 0, required = true } },
      { period = { type = "string", required = true } },
      { period_date = { type = "integer", required = true, timestamp = true } },
      { service_id = id_of_entity() },
      { route_id = id_of_entity() },
      { value = { type = "integer", required = true } },
    },
  },
}
