//! Properties of the section "Entity cache".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "Entity cache",
    introduction: "Nodes keep what they read from the database in memory and are told when it changes. These \
         properties say how soon and how long.",
    properties: PROPERTIES,
};

const PROPERTIES: &[Property] = &[
    Property::number(
        "db_update_frequency",
        "5",
        "Seconds between two looks for changes that other nodes made, where the database does not \
         announce them.",
    ),
    Property::number(
        "db_update_propagation",
        "0",
        "Seconds to wait before a change is read, for databases whose replicas lag behind.",
    ),
    Property::number(
        "db_cache_ttl",
        "0",
        "Seconds for which an entity is kept in memory. 0 is until it changes.",
    ),
    Property::number(
        "db_cache_neg_ttl",
        "",
        "Seconds for which it is remembered that something is not in the database. Unset, \
         db_cache_ttl holds.",
    ),
    Property::number(
        "db_resurrect_ttl",
        "30",
        "Seconds for which outdated entities are used on while the database is away.",
    ),
    Property::list(
        "db_cache_warmup_entities",
        "services",
        "Kinds of entities that are loaded into memory before the node serves. Names of upstreams are \
         resolved along with `services`.",
    ),
];
