--- WebAssembly filters: there are none.

local function nothing() end

local function refused()
  return nil, "wasm support is not enabled"
end

return {
  filters = {},
  filters_by_name = {},
  filter_names = {},
  filter_meta = {},
  init = nothing,
  init_worker = nothing,
  attach = nothing,
  set_state = nothing,
  enable = refused,
  disable = nothing,
  update_in_place = refused,
  rebuild_state = nothing,
  status = refused,
  check_enabled_filters = nothing,
  enabled = function() return false end,
  get_version = nothing,
}
