//! nginx directives: `nginx_main_…`, `nginx_http_…` and their siblings.
//!
//! Kong prints these into nginx's configuration. Here there is none; those that have a meaning are read
//! into typed fields of [`Directives`], with nginx's units, defaults and inheritance: what is set for all
//! of HTTP holds for a server unless the server's own namespace sets it. All others are accepted, kept
//! for Lua to see, and named in one warning.

mod http;
mod known;
mod lists;
mod main;
mod reader;
mod shared_dict;
mod tls;

pub use http::{BodyLimit, HeaderBuffers, HttpDirectives, KeepAlive};
pub use lists::add;
pub use main::{MainDirectives, User};
pub use shared_dict::SharedDict;
pub use tls::TlsDirectives;

use super::values::Values;
use reader::Reader;

/// Every directive that has a meaning here.
#[derive(Debug, Clone, PartialEq)]
pub struct Directives {
    /// Processes, limits, user: `nginx_main_…` and `nginx_events_…`.
    pub main: MainDirectives,
    /// The proxy's HTTP server: `nginx_location_…` before `nginx_proxy_…` before `nginx_http_…`.
    pub proxy: HttpDirectives,
    /// The Admin API's server: `nginx_admin_…` before `nginx_http_…`.
    pub admin: HttpDirectives,
    /// The Status API's server: `nginx_status_…` before `nginx_http_…`.
    pub status: HttpDirectives,
    /// TLS of the stream listeners: `nginx_sproxy_…` before `nginx_stream_…`.
    pub stream_tls: TlsDirectives,
    /// Kong's dictionaries and those of `lua_shared_dict`, of HTTP and stream both.
    pub shared_dicts: Vec<SharedDict>,
    /// Named access log formats, `nginx_http_log_format` and `nginx_stream_log_format`: name, definition.
    pub log_formats: Vec<(String, String)>,
}

impl Directives {
    /// Reads the directives; wrong values, which [`check`] names, count as unset.
    pub(super) fn read(values: &Values) -> Directives {
        Directives::collect(values, &mut Vec::new())
    }

    fn collect(values: &Values, errors: &mut Vec<String>) -> Directives {
        let main = MainDirectives::read(values, errors);
        let mut server =
            |prefixes: &[&'static str]| HttpDirectives::read(&mut Reader::new(values, prefixes, errors));
        let proxy = server(&["nginx_location_", "nginx_proxy_", "nginx_http_"]);
        let admin = server(&["nginx_admin_", "nginx_http_"]);
        let status = server(&["nginx_status_", "nginx_http_"]);
        let stream_tls =
            TlsDirectives::read(&mut Reader::new(values, &["nginx_sproxy_", "nginx_stream_"], errors));
        let shared_dicts = shared_dict::read(values, errors);
        let log_formats = ["nginx_http_", "nginx_stream_"]
            .into_iter()
            .flat_map(|prefix| Reader::new(values, &[prefix], errors).every("log_format"))
            .filter_map(|value| {
                let (name, definition) = value.trim().split_once(char::is_whitespace)?;
                Some((name.to_owned(), definition.trim().to_owned()))
            })
            .collect();
        Directives { main, proxy, admin, status, stream_tls, shared_dicts, log_formats }
    }
}

/// Names every directive with a wrong value in `errors` and those without a meaning here in one of the
/// `warnings`.
pub(super) fn check(values: &Values, errors: &mut Vec<String>, warnings: &mut Vec<String>) {
    let mut found = Vec::new();
    Directives::collect(values, &mut found);
    found.sort();
    found.dedup();
    errors.append(&mut found);
    let without_meaning = known::without_meaning(values);
    if !without_meaning.is_empty() {
        warnings.push(format!("nginx directives that have no effect here: {}", without_meaning.join(", ")));
    }
}
