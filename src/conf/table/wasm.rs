//! Properties of the section "WebAssembly".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "WebAssembly", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::boolean("wasm", "off", ""),
    Property::text("wasm_filters_path", "", ""),
    Property::list("wasm_filters", "bundled,user", ""),
];
