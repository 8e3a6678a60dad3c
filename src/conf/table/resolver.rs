//! Properties of the section "New DNS client".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "New DNS client", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::boolean("new_dns_client", "off", ""),
    Property::list("resolver_address", "", "").shown_as("<name servers parsed from resolv.conf>"),
    Property::text("resolver_hosts_file", "/etc/hosts", ""),
    Property::list("resolver_family", "A,SRV", ""),
    Property::number("resolver_valid_ttl", "", "").shown_as("<TTL from responses>"),
    Property::number("resolver_error_ttl", "1", ""),
    Property::number("resolver_stale_ttl", "3600", ""),
    Property::number("resolver_lru_cache_size", "10000", ""),
    Property::text("resolver_mem_cache_size", "5m", ""),
];
