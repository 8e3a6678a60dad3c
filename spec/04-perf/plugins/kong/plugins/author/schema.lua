return {
  name = "author",
  fields = {
    { config = {
      type = "record",
      fields = {
        { request_header = { type = "string", default = "X-Author-Request" } },
        { response_header = { type = "string", default = "X-Author-Response" } },
      },
    } },
  },
}
