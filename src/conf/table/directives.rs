//! Properties of the section "nginx directives".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "nginx directives",
    introduction: "A property `nginx_<block>_<directive>` is an nginx directive. Blocks are main, events, http, \
         proxy, location, upstream, admin, status, stream, sproxy and supstream; a directive of a \
         server wins over the same one in http. There is no nginx here: directives with a meaning for \
         this gateway are honoured, with nginx's units and defaults, and the others are named in one \
         warning at start. The value NONE takes a default away. A directive that may be repeated is \
         written once, its further occurrences in full after a semicolon: `a 1m; lua_shared_dict b \
         1m`.",
    properties: PROPERTIES,
};

const PROPERTIES: &[Property] = &[
    Property::text(
        "nginx_main_worker_rlimit_nofile",
        "auto",
        "How many files and connections the workers may have open together. `auto` takes what the \
         shell allows, between 1024 and 16384.",
    ),
    Property::text(
        "nginx_events_worker_connections",
        "auto",
        "How many connections one worker may hold, those to upstreams included. `auto` as above.",
    ),
    Property::text(
        "nginx_http_client_header_buffer_size",
        "",
        "The first buffer for a request head; most heads fit in it.",
    ),
    Property::text(
        "nginx_http_large_client_header_buffers",
        "",
        "How many buffers of which size a longer request head may take. A line that is longer than \
         one of them is refused.",
    ),
    Property::text("nginx_http_client_max_body_size", "0", "The largest request body. 0 allows any."),
    Property::text("nginx_admin_client_max_body_size", "10m", "The largest request body of the Admin API."),
    Property::text(
        "nginx_http_charset",
        "UTF-8",
        "The charset that is added to the type of text responses. `off` adds none.",
    ),
    Property::text(
        "nginx_http_client_body_buffer_size",
        "8k",
        "How much of a request body that has to be buffered stays in memory; the rest goes to a file.",
    ),
    Property::text("nginx_admin_client_body_buffer_size", "10m", "The same for the Admin API."),
    Property::text(
        "nginx_http_lua_regex_match_limit",
        "100000",
        "How many steps a regular expression in Lua code may take before it is given up. 0 is any \
         number.",
    ),
    Property::text(
        "nginx_http_lua_regex_cache_max_entries",
        "8192",
        "How many compiled regular expressions of Lua code a worker keeps.",
    ),
    Property::text(
        "nginx_http_keepalive_requests",
        "10000",
        "After how many requests a client's connection is closed.",
    ),
];
