//! Properties of the section "Vaults".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Vaults", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[Property::text("vault_env_prefix", "", "")];
