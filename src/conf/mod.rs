//! kong.conf and `KONG_*` variables → one validated configuration.
