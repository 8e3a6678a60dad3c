//! Properties of the section "Vaults".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "Vaults",
    introduction: "A value `{vault://env/name}` is a reference: it stands for the environment variable NAME.",
    properties: PROPERTIES,
};

const PROPERTIES: &[Property] = &[Property::text(
    "vault_env_prefix",
    "",
    "What the names of environment variables begin with that references to the env vault mean: \
         with `APP_`, the reference {vault://env/key} is the variable APP_KEY.",
)];
