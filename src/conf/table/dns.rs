//! Properties of the section "DNS client".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "DNS client", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::list("dns_resolver", "", ""),
    Property::text("dns_hostsfile", "/etc/hosts", ""),
    Property::list("dns_order", "LAST,SRV,A,CNAME", ""),
    Property::number("dns_valid_ttl", "", ""),
    Property::number("dns_stale_ttl", "3600", ""),
    Property::number("dns_cache_size", "10000", ""),
    Property::number("dns_not_found_ttl", "30", ""),
    Property::number("dns_error_ttl", "1", ""),
    Property::boolean("dns_no_sync", "off", ""),
];
