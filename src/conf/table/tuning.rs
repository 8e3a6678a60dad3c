//! Properties of the section "Tuning and behaviour".

use super::Section;
use crate::conf::property::{Deprecated, Property};

/// The section.
pub const SECTION: Section =
    Section { title: "Tuning and behaviour", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::one_of("worker_consistency", &["strict", "eventual"], "eventual", "")
        .deprecated(Deprecated::Value("strict")),
    Property::number("worker_state_update_frequency", "5", ""),
    Property::one_of(
        "router_flavor",
        &["traditional", "traditional_compatible", "expressions"],
        "traditional_compatible",
        "",
    ),
    Property::number("lua_max_req_headers", "100", ""),
    Property::number("lua_max_resp_headers", "100", ""),
    Property::number("lua_max_uri_args", "100", ""),
    Property::number("lua_max_post_args", "100", ""),
];
