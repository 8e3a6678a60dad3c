//! Properties of the section "New DNS client".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "New DNS client",
    introduction: "The properties of the resolver that `new_dns_client` switches on.",
    properties: PROPERTIES,
};

const PROPERTIES: &[Property] = &[
    Property::boolean(
        "new_dns_client",
        "off",
        "Whether the resolver with the properties of the next section is used.",
    ),
    Property::list(
        "resolver_address",
        "",
        "Name servers, as `ip` or `ip:port`. Unset, those of /etc/resolv.conf.",
    )
    .shown_as("<name servers parsed from resolv.conf>"),
    Property::text("resolver_hosts_file", "/etc/hosts", "The hosts file, read once at start."),
    Property::list(
        "resolver_family",
        "A,SRV",
        "Types of records to ask for: `A`, `AAAA` and `SRV`. SRV is asked only for names of the form \
         _service._protocol.name.",
    ),
    Property::number(
        "resolver_valid_ttl",
        "",
        "Seconds for which an answer is used, whatever its own time to live.",
    )
    .shown_as("<TTL from responses>"),
    Property::number(
        "resolver_error_ttl",
        "1",
        "Seconds for which failures and empty answers are remembered.",
    ),
    Property::number(
        "resolver_stale_ttl",
        "3600",
        "Seconds for which an expired answer is used on while a fresh one is fetched.",
    ),
    Property::number("resolver_lru_cache_size", "10000", "How many answers a worker keeps."),
    Property::text(
        "resolver_mem_cache_size",
        "5m",
        "The size of the dictionary of answers that all workers share.",
    ),
];
