//! Properties of the section "Listeners and TLS".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Listeners and TLS", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::list(
        "proxy_listen",
        "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
        "",
    ),
    Property::list("stream_listen", "off", ""),
    Property::list(
        "admin_listen",
        "127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384",
        "",
    ),
    Property::list("status_listen", "127.0.0.1:8007 reuseport backlog=16384", ""),
    Property::text("nginx_user", "kong kong", "").alias_of("nginx_main_user"),
    Property::text("nginx_worker_processes", "auto", "").alias_of("nginx_main_worker_processes"),
    Property::switch("nginx_daemon", "on", "").alias_of("nginx_main_daemon"),
    Property::text("mem_cache_size", "128m", ""),
    Property::text("ssl_cipher_suite", "intermediate", ""),
    Property::text("ssl_ciphers", "", ""),
    Property::text("ssl_protocols", "TLSv1.2 TLSv1.3", "")
        .sets(&["nginx_http_ssl_protocols", "nginx_stream_ssl_protocols"]),
    Property::switch("ssl_prefer_server_ciphers", "on", "")
        .sets(&["nginx_http_ssl_prefer_server_ciphers", "nginx_stream_ssl_prefer_server_ciphers"]),
    Property::text("ssl_dhparam", "", "").sets(&["nginx_http_ssl_dhparam", "nginx_stream_ssl_dhparam"]),
    Property::switch("ssl_session_tickets", "on", "")
        .sets(&["nginx_http_ssl_session_tickets", "nginx_stream_ssl_session_tickets"]),
    Property::text("ssl_session_timeout", "1d", "")
        .sets(&["nginx_http_ssl_session_timeout", "nginx_stream_ssl_session_timeout"]),
    Property::text("ssl_session_cache_size", "10m", ""),
    Property::list("ssl_cert", "", ""),
    Property::list("ssl_cert_key", "", "").sensitive(),
    Property::boolean("client_ssl", "off", ""),
    Property::text("client_ssl_cert", "", ""),
    Property::text("client_ssl_cert_key", "", "").sensitive(),
    Property::list("admin_ssl_cert", "", ""),
    Property::list("admin_ssl_cert_key", "", "").sensitive(),
    Property::list("status_ssl_cert", "", ""),
    Property::list("status_ssl_cert_key", "", "").sensitive(),
    Property::text("debug_ssl_cert", "", ""),
    Property::text("debug_ssl_cert_key", "", "").sensitive(),
    Property::list("headers", "server_tokens, latency_tokens, x-kong-request-id", "")
        .shown_as("server_tokens, latency_tokens, X-Kong-Request-Id"),
    Property::list("headers_upstream", "x-kong-request-id", "").shown_as("X-Kong-Request-Id"),
    Property::list("trusted_ips", "", ""),
    Property::text("real_ip_header", "X-Real-IP", "").alias_of("nginx_proxy_real_ip_header"),
    Property::switch("real_ip_recursive", "off", "").alias_of("nginx_proxy_real_ip_recursive"),
    Property::one_of(
        "error_default_type",
        &["application/json", "application/xml", "text/html", "text/plain"],
        "text/plain",
        "",
    ),
    Property::number("upstream_keepalive_pool_size", "512", ""),
    Property::number("upstream_keepalive_max_requests", "10000", ""),
    Property::number("upstream_keepalive_idle_timeout", "60", ""),
    Property::boolean("allow_debug_header", "off", ""),
];
