--- What all ways to a database have in common.

local connector = {
  -- How many entities a page has unless a caller says otherwise, and at most.
  defaults = { pagination = { page_size = 1000, max_page_size = 50000 } },
}


--- The size of a page by the options of a call.
function connector:get_page_size(options)
  local pagination = type(options) == "table" and options.pagination
  return type(pagination) == "table" and pagination.page_size or self.defaults.pagination.page_size
end


return connector
