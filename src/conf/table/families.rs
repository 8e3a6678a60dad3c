//! Properties whose names are open: everything with one of these prefixes is a property.

/// A family of properties with a common prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// What the names begin with.
    pub prefix: &'static str,
    /// The list of directives that its properties are collected in; `None` if they are none.
    pub directives: Option<&'static str>,
    /// Names after the prefix that are not collected as directives.
    pub ignored: &'static [&'static str],
}

/// The families, in the order in which a name is tried against them.
///
/// *Kong parity*: a name belongs to the first family that matches, so that `nginx_wasm_v8_x` is not a
/// directive of `nginx_wasm_`.
pub const FAMILIES: &[Family] = &[
    Family::directives("nginx_main_", "nginx_main_directives"),
    Family::directives("nginx_events_", "nginx_events_directives"),
    Family {
        ignored: &[
            "upstream_keepalive",
            "upstream_keepalive_timeout",
            "upstream_keepalive_requests",
            "lua_ssl_protocols",
        ],
        ..Family::directives("nginx_http_", "nginx_http_directives")
    },
    Family::directives("nginx_upstream_", "nginx_upstream_directives"),
    Family::directives("nginx_proxy_", "nginx_proxy_directives"),
    Family::directives("nginx_location_", "nginx_location_directives"),
    Family::directives("nginx_status_", "nginx_status_directives"),
    Family::directives("nginx_admin_", "nginx_admin_directives"),
    Family {
        ignored: &["lua_ssl_protocols"],
        ..Family::directives("nginx_stream_", "nginx_stream_directives")
    },
    Family::directives("nginx_supstream_", "nginx_supstream_directives"),
    Family::directives("nginx_sproxy_", "nginx_sproxy_directives"),
    Family::plain("pluginserver_"),
    Family::plain("vault_"),
    Family::directives("nginx_wasm_wasmtime_", "nginx_wasm_wasmtime_directives"),
    Family::directives("nginx_wasm_v8_", "nginx_wasm_v8_directives"),
    Family::directives("nginx_wasm_wasmer_", "nginx_wasm_wasmer_directives"),
    Family::directives("nginx_wasm_shm_kv_", "nginx_wasm_main_shm_kv_directives"),
    Family::directives("nginx_wasm_", "nginx_wasm_main_directives"),
];

impl Family {
    const fn directives(prefix: &'static str, directives: &'static str) -> Family {
        Family { prefix, directives: Some(directives), ignored: &[] }
    }

    const fn plain(prefix: &'static str) -> Family {
        Family { prefix, directives: None, ignored: &[] }
    }

    /// What follows the prefix in `name`; `None` if `name` is not of this family.
    pub fn member<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(self.prefix).filter(|member| !member.is_empty())
    }
}

/// The family that `name` belongs to.
pub fn family_of(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.member(name).is_some())
}
