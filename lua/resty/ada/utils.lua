-- resty.ada.utils: values as URLs write them.

local tostring = tostring

return {
  -- A number as text; nil where no text stands for it.
  number_to_string = function(value)
    if value ~= value or value == 1 / 0 or value == -1 / 0 then
      return nil
    end
    return tostring(value)
  end,
}
