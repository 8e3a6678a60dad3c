//! Properties of the section "nginx directives".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "nginx directives", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::text("nginx_main_worker_rlimit_nofile", "auto", ""),
    Property::text("nginx_events_worker_connections", "auto", ""),
    Property::text("nginx_http_client_header_buffer_size", "", ""),
    Property::text("nginx_http_large_client_header_buffers", "", ""),
    Property::text("nginx_http_client_max_body_size", "0", ""),
    Property::text("nginx_admin_client_max_body_size", "10m", ""),
    Property::text("nginx_http_charset", "UTF-8", ""),
    Property::text("nginx_http_client_body_buffer_size", "8k", ""),
    Property::text("nginx_admin_client_body_buffer_size", "10m", ""),
    Property::text("nginx_http_lua_regex_match_limit", "100000", ""),
    Property::text("nginx_http_lua_regex_cache_max_entries", "8192", ""),
    Property::text("nginx_http_keepalive_requests", "10000", ""),
];
