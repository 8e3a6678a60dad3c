//! `lua_shared_dict`: Kong's own dictionaries and the user's.

use super::reader::Reader;
use crate::conf::derived;
use crate::conf::units;
use crate::conf::values::Values;

/// A dictionary that all workers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedDict {
    /// Its name in `ngx.shared`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

const MIB: u64 = 1 << 20;

/// Dictionaries with a fixed size that Kong declares for HTTP, and as `stream_…` for stream.
const KONG: [(&str, u64); 8] = [
    ("kong", 5),
    ("kong_locks", 8),
    ("kong_healthchecks", 5),
    ("kong_cluster_events", 5),
    ("kong_rate_limiting_counters", 12),
    ("kong_core_db_cache_miss", 12),
    ("kong_db_cache_miss", 12),
    ("kong_secrets", 5),
];

/// Every dictionary, Kong's first, the user's in the order of their definition.
pub(super) fn read(values: &Values, errors: &mut Vec<String>) -> Vec<SharedDict> {
    let mut dicts = kong_dicts(values);
    for prefix in ["nginx_http_", "nginx_stream_"] {
        for definition in Reader::new(values, &[prefix], errors).every("lua_shared_dict") {
            match parse(&definition) {
                Some(dict) => dicts.push(dict),
                None => errors.push(format!("{prefix}lua_shared_dict has an invalid value: '{definition}'")),
            }
        }
    }
    for name in prometheus_dicts(values) {
        dicts.push(SharedDict { name: name.to_owned(), size: 5 * MIB });
    }
    // *Kong parity*: what nobody can use is not there either
    let has_streams = values.texts("stream_listen").iter().any(|listen| listen != "off");
    let has_resolver = values.is_on("new_dns_client");
    dicts.retain(|dict| match dict.name.as_str() {
        "kong_dns_cache" => has_resolver,
        name => has_streams || !name.starts_with("stream_"),
    });
    let mut seen = std::collections::HashSet::new();
    dicts.retain(|dict| seen.insert(dict.name.clone()));
    dicts
}

/// The dictionaries of the prometheus plugin that nobody defined.
pub(super) fn prometheus_dicts(values: &Values) -> impl Iterator<Item = &'static str> {
    let is_loaded = derived::plugins(values, "plugins").iter().any(|plugin| plugin == "prometheus");
    [
        ("nginx_http_lua_shared_dict", "prometheus_metrics"),
        ("nginx_stream_lua_shared_dict", "stream_prometheus_metrics"),
    ]
    .into_iter()
    .filter(move |(property, name)| {
        is_loaded && !values.text(property).is_some_and(|defined| defined.contains(name))
    })
    .map(|(_, name)| name)
}

fn kong_dicts(values: &Values) -> Vec<SharedDict> {
    let cache = derived::size(values, "mem_cache_size");
    let fixed = KONG.iter().map(|(name, mib)| ((*name).to_owned(), mib * MIB));
    let caches = ["kong_core_db_cache", "kong_db_cache"].map(|name| (name.to_owned(), cache));
    let http: Vec<_> = fixed.chain(caches).collect();
    let stream = http.iter().map(|(name, size)| (format!("stream_{name}"), *size));
    let dns = ("kong_dns_cache".to_owned(), derived::size(values, "resolver_mem_cache_size"));
    let all = stream.chain([dns]).chain(http.iter().cloned());
    all.map(|(name, size)| SharedDict { name, size }).collect()
}

fn parse(definition: &str) -> Option<SharedDict> {
    let (name, size) = definition.trim().split_once(char::is_whitespace)?;
    Some(SharedDict { name: name.to_owned(), size: units::size(size.trim()).ok()? })
}
