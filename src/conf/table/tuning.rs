//! Properties of the section "Tuning and behaviour".

use super::Section;
use crate::conf::property::{Deprecated, Property};

/// The section.
pub const SECTION: Section =
    Section { title: "Tuning and behaviour", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::one_of(
        "worker_consistency",
        &["strict", "eventual"],
        "eventual",
        "When a change of an entity takes effect: as soon as it was prepared in the background \
         (`eventual`), or before the next request is answered (`strict`, deprecated).",
    )
    .deprecated(Deprecated::Value("strict")),
    Property::number(
        "worker_state_update_frequency",
        "5",
        "Seconds between two rebuilds of router and upstreams while entities change.",
    ),
    Property::one_of(
        "router_flavor",
        &["traditional", "traditional_compatible", "expressions"],
        "traditional_compatible",
        "How routes are matched: by the fields of routes (`traditional_compatible`, or `traditional` \
         with the priorities of old versions), or by expressions that routes hold (`expressions`).",
    ),
    Property::number(
        "lua_memory_limit",
        "0",
        "Mebibytes that the Lua VM of a worker may hold after a collection. When one holds more, the log says \
         so and a fresh process takes over as in a reload. 0 for no limit. Not a property of Kong.",
    ),
    Property::number(
        "lua_max_req_headers",
        "100",
        "How many request headers Lua code sees. Between 1 and 1000.",
    ),
    Property::number(
        "lua_max_resp_headers",
        "100",
        "How many response headers Lua code sees. Between 1 and 1000.",
    ),
    Property::number(
        "lua_max_uri_args",
        "100",
        "How many arguments of the query Lua code sees. Between 1 and 1000.",
    ),
    Property::number(
        "lua_max_post_args",
        "100",
        "How many arguments of a form body Lua code sees. Between 1 and 1000.",
    ),
    Property::number(
        "lua_time_limit",
        "10000",
        "Milliseconds that Lua code may run without waiting for anything. Code that runs longer, an endless \
         loop most likely, is stopped: its request gets a 500, and the log says where it was. 0 lets it run. \
         Not a property of Kong.",
    ),
];
