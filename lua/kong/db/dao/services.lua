--- Services name the CA certificates that they trust.

return { select_by_ca_certificate = require "kong.db.dao.by_ca_certificate" }
