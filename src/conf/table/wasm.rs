//! Properties of the section "WebAssembly".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "WebAssembly",
    introduction: "Filters for proxy-wasm. This version reads the properties and does not run filters.",
    properties: PROPERTIES,
};

const PROPERTIES: &[Property] = &[
    Property::boolean(
        "wasm",
        "off",
        "Whether filters are wanted. They do not run in this version, and a warning says so.",
    ),
    Property::text("wasm_filters_path", "", "The directory of the filters' .wasm files."),
    Property::list(
        "wasm_filters",
        "bundled,user",
        "Which filters may be configured: names, `bundled`, `user` or `off`.",
    ),
];
