//! What follows from the properties: expanded lists, absolute paths, parsed listeners.

use std::path::Path;

use super::listen::{self, Subsystem};
use super::value::ConfValue;
use super::values::Values;
use super::{HeaderTokens, bundled, checks, directives, field::Field, paths, units};

/// The release line that Kong tags its persisted configuration with.
const VALIDATION_TAG: &str = "3.9";

/// Adds to `values` what Kong's loader adds: `kong.configuration` holds these beside the properties.
pub fn add(values: &mut Values) {
    add_paths(values);
    add_listeners(values);
    let set = |names: Vec<String>| {
        ConfValue::Map(names.into_iter().map(|name| (name, ConfValue::Boolean(true))).collect())
    };
    values.set("loaded_plugins", set(plugins(values, "plugins")));
    values.set("loaded_vaults", set(vaults(values, "vaults")));
    let enabled = HeaderTokens::read(values.find("headers"));
    values.set("enabled_headers", enabled.to_value(&HeaderTokens::NAMES));
    let enabled = HeaderTokens::read(values.find("headers_upstream"));
    values.set("enabled_headers_upstream", enabled.to_value(&HeaderTokens::UPSTREAM_NAMES));
    values.set("lmdb_validation_tag", ConfValue::from(VALIDATION_TAG));
    values.set("pluginservers", checks::pluginservers(values));
    add_host_ports(values);
    add_admin_gui_origin(values);
    directives::add(values);
}

/// The plugins to load, `bundled` expanded.
pub fn plugins(values: &Values, name: &str) -> Vec<String> {
    bundled::expand(&values.texts(name), &bundled::PLUGINS)
}

/// The vaults to load, `bundled` expanded.
pub fn vaults(values: &Values, name: &str) -> Vec<String> {
    bundled::expand(&values.texts(name), &bundled::VAULTS)
}

/// `port_maps` as pairs of (port here, port that clients see).
pub fn port_maps(values: &Values, name: &str) -> Vec<(u16, u16)> {
    values.texts(name).iter().filter_map(|entry| port_map(entry)).collect()
}

/// One entry of `port_maps`, `<host port>:<kong port>`, turned around.
pub fn port_map(entry: &str) -> Option<(u16, u16)> {
    let (host, kong) = entry.split_once(':')?;
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    Some((port(kong)?, port(host)?))
}

/// A size in bytes; 0 if it is none, which the checks refuse.
pub fn size(values: &Values, name: &str) -> u64 {
    values.text(name).and_then(|text| units::size(text).ok()).unwrap_or_default()
}

fn add_paths(values: &mut Values) {
    let prefix = paths::absolute(Path::new(values.text("prefix").unwrap_or_default()));
    let under = |path: &str| ConfValue::String(prefix.join(path).to_string_lossy().into_owned());
    values.set("prefix", ConfValue::String(prefix.to_string_lossy().into_owned()));
    values.set("socket_path", under(paths::SOCKET_DIRECTORY));
    for (name, socket) in paths::SOCKETS {
        values.set(name, ConfValue::from(*socket));
    }
    for (name, path) in paths::PREFIX_PATHS {
        values.set(name, under(path));
    }
    if !values.texts("lua_ssl_trusted_certificate").is_empty() {
        values.set("lua_ssl_trusted_certificate_combined", under(".ca_combined"));
    }
}

/// The listen properties, their flags and the name of the switch that says whether one has TLS.
pub const LISTENERS: &[(&str, Subsystem, Option<&str>)] = &[
    ("proxy_listen", Subsystem::Http, Some("proxy_ssl_enabled")),
    ("stream_listen", Subsystem::Stream, Some("stream_proxy_ssl_enabled")),
    ("admin_listen", Subsystem::Http, Some("admin_ssl_enabled")),
    ("admin_gui_listen", Subsystem::Http, Some("admin_gui_ssl_enabled")),
    ("status_listen", Subsystem::Http, Some("status_ssl_enabled")),
    ("cluster_listen", Subsystem::Http, None),
];

fn add_listeners(values: &mut Values) {
    for (name, subsystem, tls_switch) in LISTENERS {
        let listens = listen::parse(&values.texts(name), *subsystem).unwrap_or_default();
        let tables = listens.iter().map(|listen| listen.to_value(*subsystem)).collect();
        values.set(&format!("{name}ers"), ConfValue::Array(tables));
        if let Some(switch) = tls_switch {
            values.set(switch, ConfValue::Boolean(listens.iter().any(|listen| listen.ssl)));
        }
    }
}

fn add_host_ports(values: &mut Values) {
    let pairs = port_maps(values, "port_maps").into_iter();
    let entries = pairs.map(|(kong, host)| (kong.to_string(), ConfValue::Number(f64::from(host))));
    values.set("host_ports", ConfValue::Map(entries.collect()));
}

/// Scheme and authority of each `admin_gui_url`: what a browser sends as `Origin`.
fn add_admin_gui_origin(values: &mut Values) {
    let origins: Vec<String> = values
        .texts("admin_gui_url")
        .iter()
        .filter_map(|url| {
            let (scheme, rest) = url.split_once("://")?;
            let authority = rest.split(['/', '?', '#']).next()?;
            Some(format!("{scheme}://{authority}"))
        })
        .collect();
    if !origins.is_empty() {
        values.set("admin_gui_origin", ConfValue::list(origins));
    }
}
