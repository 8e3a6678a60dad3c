--- The form of a migration: what it does to each kind of database, in one step or in two.

local steps = {
  { up = { type = "string", len_min = 0 } },
  { up_f = { type = "function" } },
  { teardown = { type = "function" } },
}

return {
  name = "migration",
  fields = {
    { name = { type = "string", required = true } },
    { postgres = { type = "record", required = true, fields = steps } },
  },
  entity_checks = {
    { at_least_one_of = { "postgres.up", "postgres.up_f", "postgres.teardown" } },
  },
}
