//! What routes match on.

use super::{address, header_name, http_method, ip_or_cidr, path, port};
use crate::schema::check::Check;
use crate::schema::field::Field;
use crate::schema::record::Record;

fn endpoints() -> Field {
    Field::set(Field::record(
        Record::new([("ip", ip_or_cidr()), ("port", port())]).check(Check::at_least_one_of(["ip", "port"])),
    ))
}

/// Where a stream comes from.
pub fn sources() -> Field {
    endpoints().describe("Where connections come from: addresses, ports, or both.")
}

/// Where a stream goes to.
pub fn destinations() -> Field {
    endpoints().describe("Where connections go to: addresses, ports, or both.")
}

/// HTTP methods.
pub fn methods() -> Field {
    Field::set(http_method()).describe("HTTP methods in capital letters.")
}

/// Hosts, with ports and wildcards.
pub fn hosts() -> Field {
    let host = Field::string()
        .match_all(&[("^[^*]*%*?[^*]*$", "invalid wildcard: must have at most one wildcard")])
        .match_any(
            &["^%*%.", "%.%*$", "^[^*]*$"],
            "invalid wildcard: must be placed at leftmost or rightmost label",
        )
        .custom(address::host_with_wildcards);
    Field::array(host).describe("Hosts; one label at either end may be a wildcard.")
}

/// A path, or a regular expression after `~`.
pub fn router_path() -> Field {
    Field::string()
        .match_any(&["^/", "^~/"], "should start with: / (fixed path) or ~/ (regex path)")
        .match_none(&[("//", "must not have empty segments")])
        .custom(path::router_path)
        .describe("A path prefix that begins with a slash, or ~ and a regular expression for paths.")
}

/// Paths of a route.
pub fn paths() -> Field {
    Field::array(router_path()).describe("Path prefixes and regular expressions for paths.")
}

/// Headers and the values they may have.
pub fn headers() -> Field {
    Field::map(header_name(), Field::array(Field::string()))
        .describe("Values that headers must have, by header name.")
}
