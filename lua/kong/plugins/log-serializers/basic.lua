-- The record of a request, under its old name.
return {
  serialize = function(ngx_table, kong_table)
    return kong.log.serialize { ngx = ngx_table, kong = kong_table }
  end,
}
