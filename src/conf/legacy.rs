//! Old names: what they become, and the warnings they cause.

use std::collections::BTreeMap;

use super::property::Deprecated;
use super::table;

/// The port of the gossip protocol that `cluster_listen` was the address of before Kong 0.11.
const GOSSIP_PORT: &str = ":7946";

/// Moves what the user set under old names to the names in use and returns the warnings.
///
/// An old name never overrides the new one where both are set, except `custom_plugins`, which adds.
pub fn apply(user: &mut BTreeMap<String, String>) -> Vec<String> {
    let warnings = warnings(user);
    for property in table::properties() {
        if let Some(target) = property.alias_of {
            inherit(user, property.name, target);
        }
        for directive in property.sets {
            inherit(user, property.name, directive);
        }
        if let Some(Deprecated::UseInstead(target)) = property.deprecated
            && !is_special(property.name)
        {
            inherit(user, property.name, target);
        }
    }
    add_custom_plugins(user);
    add_tls_listener(user, "proxy_listen", "proxy_listen_ssl");
    add_tls_listener(user, "admin_listen", "admin_listen_ssl");
    if user.get("cluster_listen").is_some_and(|address| address.trim().ends_with(GOSSIP_PORT)) {
        user.remove("cluster_listen");
    }
    warnings
}

fn warnings(user: &BTreeMap<String, String>) -> Vec<String> {
    let mut warnings = Vec::new();
    for property in table::properties().filter(|property| user.contains_key(property.name)) {
        let name = property.name;
        match property.deprecated {
            Some(Deprecated::UseInstead(replacement)) => warnings.push(format!(
                "the '{name}' configuration property is deprecated, use '{replacement}' instead"
            )),
            Some(Deprecated::Ignored) => {
                warnings.push(format!("the '{name}' configuration property is deprecated and has no effect"));
            }
            Some(Deprecated::Value(value)) => {
                warnings.push(format!(
                    "the configuration value '{value}' for configuration property '{name}' is deprecated"
                ));
                warnings.push(format!("the '{name}' configuration property is deprecated"));
            }
            None => {}
        }
    }
    if user.get("cluster_listen").is_some_and(|address| address.trim().ends_with(GOSSIP_PORT)) {
        warnings.push(
            "the 'cluster_listen' configuration property no longer is the address of a gossip protocol; \
             the value is ignored"
                .to_owned(),
        );
    }
    warnings
}

fn inherit(user: &mut BTreeMap<String, String>, name: &str, target: &str) {
    if !user.contains_key(target)
        && let Some(value) = user.get(name).cloned()
    {
        user.insert(target.to_owned(), value);
    }
}

/// Names whose value is not simply the new property's value.
fn is_special(name: &str) -> bool {
    matches!(name, "custom_plugins" | "proxy_listen_ssl" | "admin_listen_ssl")
}

fn add_custom_plugins(user: &mut BTreeMap<String, String>) {
    if let Some(custom) = user.get("custom_plugins").filter(|custom| !custom.trim().is_empty()).cloned() {
        let plugins = user.entry("plugins".to_owned()).or_insert_with(|| "bundled".to_owned());
        plugins.push(',');
        plugins.push_str(&custom);
    }
}

/// Before Kong 0.12 the TLS listener had a property of its own, without flags.
fn add_tls_listener(user: &mut BTreeMap<String, String>, name: &str, old: &str) {
    let Some(address) = user.get(old).map(|address| address.trim().to_owned()) else { return };
    let default = table::find(name).map_or("", |property| property.default);
    let plain = default.split(',').next().unwrap_or_default();
    let listen = user.entry(name.to_owned()).or_insert_with(|| plain.to_owned());
    let has_tls = listen.split(',').any(|entry| entry.split_whitespace().any(|word| word == "ssl"));
    if !address.is_empty() && !has_tls {
        listen.push_str(&format!(", {address} ssl"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(properties: &[(&str, &str)]) -> (BTreeMap<String, String>, Vec<String>) {
        let mut user =
            properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let warnings = apply(&mut user);
        (user, warnings)
    }

    #[test]
    fn a_deprecated_property_moves_and_never_clobbers() {
        let (user, warnings) = applied(&[("opentelemetry_tracing", "request,router")]);
        assert_eq!(user["tracing_instrumentations"], "request,router");
        assert_eq!(
            warnings,
            ["the 'opentelemetry_tracing' configuration property is deprecated, use \
              'tracing_instrumentations' instead"]
        );
        let (user, _) =
            applied(&[("opentelemetry_tracing", "router"), ("tracing_instrumentations", "balancer")]);
        assert_eq!(user["tracing_instrumentations"], "balancer");
        let (user, _) = applied(&[("router_consistency", "strict")]);
        assert_eq!(user["worker_consistency"], "strict");
    }

    #[test]
    fn a_deprecated_value_is_warned_about_whenever_the_property_is_set() {
        let (_, warnings) = applied(&[("worker_consistency", "eventual")]);
        assert_eq!(
            warnings,
            [
                "the configuration value 'strict' for configuration property 'worker_consistency' is \
                 deprecated",
                "the 'worker_consistency' configuration property is deprecated"
            ]
        );
    }

    #[test]
    fn aliases_set_the_directive_without_a_warning() {
        let (user, warnings) = applied(&[("nginx_user", "www www"), ("nginx_daemon", "off")]);
        assert_eq!(user["nginx_main_user"], "www www");
        assert_eq!(user["nginx_main_daemon"], "off");
        assert!(warnings.is_empty());
    }

    #[test]
    fn custom_plugins_add_to_plugins() {
        assert_eq!(applied(&[("custom_plugins", "a,b")]).0["plugins"], "bundled,a,b");
        assert_eq!(applied(&[("custom_plugins", "a"), ("plugins", "key-auth")]).0["plugins"], "key-auth,a");
    }

    #[test]
    fn old_tls_listeners_are_added_unless_there_is_one() {
        let (user, _) = applied(&[("proxy_listen", "0.0.0.0:8000"), ("proxy_listen_ssl", "0.0.0.0:8443")]);
        assert_eq!(user["proxy_listen"], "0.0.0.0:8000, 0.0.0.0:8443 ssl");
        let (user, _) = applied(&[("admin_listen_ssl", "127.0.0.1:8444")]);
        assert_eq!(user["admin_listen"], "127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 ssl");
        let (user, _) = applied(&[("proxy_listen", "0.0.0.0:1 ssl"), ("proxy_listen_ssl", "0.0.0.0:2")]);
        assert_eq!(user["proxy_listen"], "0.0.0.0:1 ssl");
    }

    #[test]
    fn gossip_addresses_are_dropped_with_a_warning() {
        let (user, warnings) = applied(&[("cluster_listen", "0.0.0.0:7946"), ("cluster_profile", "wan")]);
        assert!(!user.contains_key("cluster_listen"));
        assert_eq!(warnings.len(), 2);
    }
}
