-- ngx.req: header fields of the request, added rather than set.
return {
  version = "0.1.28",
  add_header = ngx.req.add_header,
}
