//! Properties of the section "Entity cache".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Entity cache", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::number("db_update_frequency", "5", ""),
    Property::number("db_update_propagation", "0", ""),
    Property::number("db_cache_ttl", "0", ""),
    Property::number("db_cache_neg_ttl", "", ""),
    Property::number("db_resurrect_ttl", "30", ""),
    Property::list("db_cache_warmup_entities", "services", ""),
];
