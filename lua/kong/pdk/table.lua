-- kong.table: making, clearing and merging tables.

local merge = require("kong.tools.table").table_merge

return {
  new = function()
    return { new = require "table.new", clear = require "table.clear", merge = merge }
  end,
}
