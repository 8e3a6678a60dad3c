//! Properties of the section "DNS client".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "DNS client",
    introduction: "How names of upstreams are resolved. Answers are kept in memory and used beyond their time \
         to live while a fresh answer is fetched.",
    properties: PROPERTIES,
};

const PROPERTIES: &[Property] = &[
    Property::list(
        "dns_resolver",
        "",
        "Name servers, as `ip` or `ip:port`. Unset, those of /etc/resolv.conf.",
    ),
    Property::text("dns_hostsfile", "/etc/hosts", "The hosts file, read once at start."),
    Property::list(
        "dns_order",
        "LAST,SRV,A,CNAME",
        "The order in which types of records are asked for: `SRV`, `A`, `AAAA`, `CNAME`, and `LAST` \
         for the type that a name was found with before.",
    ),
    Property::number(
        "dns_valid_ttl",
        "",
        "Seconds for which an answer is used, whatever its own time to live. Unset, that of the \
         answer.",
    ),
    Property::number(
        "dns_stale_ttl",
        "3600",
        "Seconds for which an expired answer is used on while a fresh one is fetched.",
    ),
    Property::number(
        "dns_cache_size",
        "10000",
        "How many answers are kept. The ones used longest ago go first.",
    ),
    Property::number(
        "dns_not_found_ttl",
        "30",
        "Seconds for which it is remembered that a name or type of record does not exist.",
    ),
    Property::number("dns_error_ttl", "1", "Seconds for which a failure of a name server is remembered."),
    Property::boolean(
        "dns_no_sync",
        "off",
        "Whether requests that need the same name at the same time each ask for it, instead of \
         sharing one question.",
    ),
];
