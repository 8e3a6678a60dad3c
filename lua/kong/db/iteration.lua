--- Iterators over pages of rows.

local floor, tostring, type = math.floor, tostring, type

local iteration = {}


--- An iterator that tells an error once.
function iteration.failed(err, err_t)
  local told = false
  return function()
    if told then
      return nil
    end
    told = true
    return false, err, err_t
  end
end


--- Iterates over all entities behind a pager, `pager(size, offset, options)`: entity, nil and the number of
-- its page; or false, the error as text and as a table, once.
function iteration.by_row(dao, pager, size, options)
  local rows, err, offset = pager(size, nil, options)
  local at, page, failed = 0, 1, false

  local function next_row()
    at = at + 1
    if rows and rows[at] == nil and offset then
      rows, err, offset = pager(size, offset, options)
      at, page = 1, page + 1
    end
    return rows and rows[at]
  end

  local function fail(message, err_t)
    failed = true
    return false, message, err_t
  end

  return function()
    if failed then
      return nil
    end
    local row = next_row()
    if row == nil then
      if not rows and err then
        local err_t = type(err) == "table" and err or dao.errors:database_error(err)
        return fail(tostring(err_t), err_t)
      end
      return nil
    elseif not dao.row_to_entity then
      return row, nil, page
    end
    local entity, message, err_t = dao:row_to_entity(row, options)
    if not entity then
      return fail(message, err_t)
    end
    return entity, nil, page
  end
end


--- Whether a page's size is one: an integer between 1 and `max`.
function iteration.is_size(size, max)
  return floor(size) == size and size >= 1 and size <= max
end


return iteration
