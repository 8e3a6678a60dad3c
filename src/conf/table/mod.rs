//! The table: every property of kong.conf, one row each, in the order of kong.conf.default.
//!
//! Reading, defaults, checks of types, warnings about old names and kong.conf.default itself are driven
//! by these rows. A property that is not here (and not in one of the [`FAMILIES`]) is ignored, as in Kong.
//! One file per section.

mod cache;
mod cassandra;
mod datastore;
mod debugging;
mod directives;
mod dns;
mod families;
mod general;
mod hybrid;
mod hybrid_control_plane;
mod hybrid_data_plane;
mod internal;
mod manager;
mod miscellaneous;
mod nginx;
mod old;
mod resolver;
mod tuning;
mod vaults;
mod wasm;

pub use families::{FAMILIES, family_of};

use super::property::Property;

/// A section of kong.conf.default.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// What stands under the heading; empty for most.
    pub introduction: &'static str,
    /// The rows, in order.
    pub properties: &'static [Property],
}

/// The sections that kong.conf.default shows, in its order.
pub const SHOWN: &[Section] = &[
    general::SECTION,
    hybrid::SECTION,
    hybrid_data_plane::SECTION,
    hybrid_control_plane::SECTION,
    nginx::SECTION,
    directives::SECTION,
    datastore::SECTION,
    cassandra::SECTION,
    cache::SECTION,
    dns::SECTION,
    resolver::SECTION,
    vaults::SECTION,
    tuning::SECTION,
    miscellaneous::SECTION,
    manager::SECTION,
    wasm::SECTION,
    debugging::SECTION,
];

/// The rows that it does not show.
const HIDDEN: &[Section] = &[internal::SECTION, old::SECTION];

/// Every row.
pub fn properties() -> impl Iterator<Item = &'static Property> {
    SHOWN.iter().chain(HIDDEN).flat_map(|section| section.properties)
}

/// The row called `name`.
pub fn find(name: &str) -> Option<&'static Property> {
    properties().find(|property| property.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::conf::{property::Kind, value::ConfValue};

    #[test]
    fn names_are_unique() {
        let mut seen = HashSet::new();
        for property in properties() {
            assert!(seen.insert(property.name), "{} has two rows", property.name);
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        for property in properties() {
            let value = ConfValue::read(property.default, property.kind)
                .unwrap_or_else(|_| panic!("{}: {:?}", property.name, property.default));
            if let (Kind::OneOf(words), Some(value)) = (property.kind, &value) {
                assert!(words.contains(&value.as_str().unwrap()), "{}", property.name);
            }
        }
    }

    #[test]
    fn aliases_and_replacements_are_properties_themselves() {
        for property in properties() {
            let targets = property.alias_of.iter().chain(property.sets);
            for target in targets {
                assert!(
                    find(target).is_some() || family_of(target).is_some(),
                    "{} → {target}",
                    property.name
                );
            }
        }
    }
}
