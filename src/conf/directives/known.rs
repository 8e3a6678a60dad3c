//! Which directives have a meaning here.

use super::reader::NONE;
use crate::conf::table;
use crate::conf::values::Values;

/// Directives that are honoured, in whatever namespace nginx allows them.
const HONOURED: &[&str] = &[
    "charset",
    "client_body_buffer_size",
    "client_body_timeout",
    "client_header_buffer_size",
    "client_header_timeout",
    "client_max_body_size",
    "daemon",
    "http2_max_concurrent_streams",
    "keepalive_requests",
    "keepalive_time",
    "keepalive_timeout",
    "large_client_header_buffers",
    "lingering_timeout",
    "log_format",
    "lua_capture_error_log",
    "lua_max_pending_timers",
    "lua_max_running_timers",
    "lua_regex_cache_max_entries",
    "lua_regex_match_limit",
    "lua_shared_dict",
    "lua_socket_connect_timeout",
    "lua_socket_keepalive_timeout",
    "lua_socket_read_timeout",
    "lua_socket_send_timeout",
    "lua_ssl_protocols",
    "multi_accept",
    "proxy_buffer_size",
    "proxy_connect_timeout",
    "proxy_read_timeout",
    "proxy_send_timeout",
    "proxy_ssl_trusted_certificate",
    "proxy_ssl_verify",
    "proxy_ssl_verify_depth",
    "real_ip_header",
    "real_ip_recursive",
    "resolver",
    "send_timeout",
    "set_real_ip_from",
    "ssl_conf_command",
    "ssl_dhparam",
    "ssl_ecdh_curve",
    "ssl_prefer_server_ciphers",
    "ssl_protocols",
    "ssl_session_tickets",
    "ssl_session_timeout",
    "underscores_in_headers",
    "user",
    "worker_connections",
    "worker_processes",
    "worker_rlimit_nofile",
    "worker_shutdown_timeout",
];

/// Directives that ask for what is so anyway: the environment is passed on, a worker's data is its own.
const NEEDLESS: &[&str] = &["env", "lua_code_cache", "pcre_jit", "tcp_nodelay", "tcp_nopush", "use"];

/// The properties that set directives without a meaning here.
pub fn without_meaning(values: &Values) -> Vec<String> {
    values
        .iter()
        .filter(|(_, value)| value.as_str().is_some_and(|value| value != NONE))
        .filter(|(name, _)| {
            let family = table::family_of(name).filter(|family| family.directives.is_some());
            family
                .and_then(|family| family.member(name))
                .is_some_and(|directive| !HONOURED.contains(&directive) && !NEEDLESS.contains(&directive))
        })
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::value::ConfValue;

    #[test]
    fn only_directives_without_a_meaning_are_named() {
        let mut values = Values::default();
        for (name, value) in [
            ("nginx_http_client_max_body_size", "1m"),
            ("nginx_http_variables_hash_bucket_size", "128"),
            ("nginx_proxy_proxy_bind", "127.0.0.1"),
            ("nginx_http_gzip", "NONE"),
            ("vault_env_prefix", "A"),
            ("pg_user", "kong"),
        ] {
            values.set(name, ConfValue::from(value));
        }
        assert_eq!(
            without_meaning(&values),
            ["nginx_http_variables_hash_bucket_size", "nginx_proxy_proxy_bind"]
        );
    }

    #[test]
    fn the_tables_own_directives_cause_no_warning() {
        let mut values = Values::default();
        for property in table::properties().filter(|property| !property.default.is_empty()) {
            values.set(property.name, ConfValue::from(property.default));
        }
        assert_eq!(without_meaning(&values), Vec::<String>::new());
    }
}
