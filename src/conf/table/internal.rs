//! Properties that kong.conf.default does not show: defaults of directives, internals, old names.

use super::Section;
use crate::conf::property::{Deprecated, Property};

/// The section.
pub const SECTION: Section =
    Section { title: "Not shown in kong.conf.default", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::text("host_ports", "", ""),
    Property::boolean("cluster_rpc", "off", ""),
    Property::boolean("cluster_incremental_sync", "off", ""),
    Property::boolean("cluster_cjson", "off", ""),
    Property::number("worker_events_max_payload", "65535", ""),
    Property::text("nginx_main_daemon", "on", ""),
    Property::text("nginx_main_user", "kong kong", ""),
    Property::text("nginx_main_worker_processes", "auto", ""),
    Property::text("nginx_events_multi_accept", "on", ""),
    Property::text("nginx_http_ssl_protocols", "", ""),
    Property::text("nginx_http_ssl_prefer_server_ciphers", "", ""),
    Property::text("nginx_http_ssl_dhparam", "", ""),
    Property::text("nginx_http_ssl_session_tickets", "", ""),
    Property::text("nginx_http_ssl_session_timeout", "", ""),
    Property::text("nginx_http_ssl_conf_command", "", ""),
    Property::text("nginx_http_proxy_ssl_conf_command", "", ""),
    Property::text("nginx_http_lua_ssl_conf_command", "", ""),
    Property::text("nginx_http_grpc_ssl_conf_command", "", ""),
    Property::text("nginx_stream_ssl_conf_command", "", ""),
    Property::text("nginx_stream_proxy_ssl_conf_command", "", ""),
    Property::text("nginx_stream_lua_ssl_conf_command", "", ""),
    Property::text("nginx_stream_ssl_protocols", "", ""),
    Property::text("nginx_stream_ssl_prefer_server_ciphers", "", ""),
    Property::text("nginx_stream_ssl_dhparam", "", ""),
    Property::text("nginx_stream_ssl_session_tickets", "", ""),
    Property::text("nginx_stream_ssl_session_timeout", "", ""),
    Property::text("nginx_proxy_real_ip_header", "X-Real-IP", ""),
    Property::text("nginx_proxy_real_ip_recursive", "off", ""),
    Property::text("client_body_buffer_size", "8k", ""),
    Property::number("_debug_pg_ttl_cleanup_interval", "300", ""),
    Property::boolean("kic", "off", ""),
    Property::text("wasm_dynamic_module", "", ""),
    Property::boolean("privileged_worker", "", "")
        .deprecated(Deprecated::UseInstead("dedicated_config_processing")),
    Property::one_of("router_consistency", &["strict", "eventual"], "", "")
        .deprecated(Deprecated::UseInstead("worker_consistency")),
    Property::text("nginx_wasm_main_shm_kv", "", ""),
];
