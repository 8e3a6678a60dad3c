return {
  name = "env",
  fields = {
    { config = { type = "record", fields = {
      { prefix = { type = "string", match = "^[%a_-][%a%d_-]*$",
                   description = "What the names of the variables begin with." } },
    } } },
  },
}
