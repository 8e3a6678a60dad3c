//! Properties of the section "Request debugging".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Request debugging", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::boolean(
        "request_debug",
        "on",
        "Whether a request may ask for a report of its own timing, with the header X-Kong-Request- \
         Debug: * from the same machine, or from elsewhere with the token.",
    ),
    Property::text(
        "request_debug_token",
        "",
        "The token that X-Kong-Request-Debug-Token must hold. Unset, each start makes one and writes \
         it to .request_debug_token below the prefix.",
    )
    .shown_as("<random>"),
];
