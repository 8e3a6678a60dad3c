//! Properties of the section "Request debugging".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Request debugging", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::boolean("request_debug", "on", ""),
    Property::text("request_debug_token", "", "").shown_as("<random>"),
];
