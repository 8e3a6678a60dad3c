//! kong.conf and `KONG_*` variables → one validated [`Conf`].
//!
//! The way of a property: [`table`] says that it exists and how it is read. [`sources`] merges the file
//! ([`mod@file`]), the environment and the flags; [`legacy`] moves old names to the names in use; the
//! table's defaults fill the rest; [`references`] replaces `{vault://env/…}`; [`value`] reads the texts;
//! [`checks`] looks at what belongs together and collects every error. [`Conf`] is the outcome: typed
//! fields named as the properties, and [`Conf::values`] for whoever wants them by name (Lua, the Admin
//! API, `.kong_env`).
//!
//! *Kong parity*: names, defaults, messages and the order of precedence are Kong's. What Kong hands to
//! nginx (`nginx_http_…` and its siblings) is read by [`directives`].

mod access_log;
mod bundled;
mod checks;
mod choice;
mod derived;
pub mod directives;
mod error;
mod field;
pub mod file;
mod headers;
mod legacy;
mod listen;
mod load;
mod number;
mod paths;
pub mod prefix;
mod property;
mod reference;
mod references;
mod scripted;
mod sources;
#[cfg(test)]
mod spec;
mod storage;
mod table;
mod template;
mod trusted;
pub mod units;
mod value;
mod values;

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

pub use access_log::{AccessLogTarget, Server};
pub use bundled::PLUGINS as BUNDLED_PLUGINS;
pub use choice::{
    ClusterMtls, ClusterOcsp, Consistency, Database, LoadBalancing, Replication, Role, RouterFlavor,
    UntrustedLua, WorkerConsistency,
};
pub use directives::Directives;
pub use error::ConfError;
pub use headers::HeaderTokens;
pub use listen::{Address, KeepAlive, Listen, Subsystem, parse as parse_listen};
pub use paths::absolute;
pub use property::{Deprecated, Kind, Property};
pub use reference::{EnvVault, Reference, ReferenceError};
pub use sources::{DEFAULT_FILES, Purpose, Sources};
pub use template::kong_conf_default;
pub use trusted::TrustedIps;
pub use value::ConfValue;
pub use values::Values;

use crate::observability::Level;
use field::{Field, milliseconds, optional_milliseconds, optional_seconds, seconds};

/// What is shown instead of a sensitive value.
const MASK: &str = "******";

/// Defines [`Conf`]: one line per property. The field's name is the property's; its type says how the
/// value is read, or the function after `=` does.
macro_rules! conf {
    (@read $values:ident $name:ident $type:ty) => { <$type as Field>::read($values.find(stringify!($name))) };
    (@read $values:ident $name:ident $type:ty = $read:path) => { $read($values, stringify!($name)) };
    ($($name:ident: $type:ty $(= $read:path)?,)+) => {
        /// A validated configuration. Immutable once loaded; shared as an `Arc`.
        #[derive(Debug, Clone)]
        pub struct Conf {
            $(
                #[doc = concat!("The property `", stringify!($name), "`; its row in the table describes it.")]
                pub $name: $type,
            )+
            /// The nginx directives of all namespaces, typed where they have a meaning here.
            pub nginx: Directives,
            /// What the user should know and what is no error: old names, ignored values.
            pub warnings: Vec<String>,
            /// The kong.conf that was read, if there was one.
            pub file: Option<PathBuf>,
            values: Values,
            references: references::References,
        }

        impl Conf {
            fn from_values(values: Values, references: references::References, warnings: Vec<String>) -> Conf {
                let read = &values;
                Conf {
                    $($name: conf!(@read read $name $type $(= $read)?),)+
                    nginx: Directives::read(read),
                    warnings,
                    file: None,
                    values,
                    references,
                }
            }
        }

        /// The properties that are fields of [`Conf`].
        #[cfg(test)]
        const FIELDS: &[&str] = &[$(stringify!($name),)+];
    };
}

conf! {
    prefix: PathBuf,
    log_level: Level,
    proxy_access_log: String,
    proxy_error_log: String,
    proxy_stream_access_log: String,
    proxy_stream_error_log: String,
    admin_access_log: String,
    admin_error_log: String,
    admin_gui_access_log: String,
    admin_gui_error_log: String,
    status_access_log: String,
    status_error_log: String,
    vaults: Vec<String> = derived::vaults,
    tracing_instrumentations: Vec<String>,
    tracing_sampling_rate: f64,
    plugins: Vec<String> = derived::plugins,
    dedicated_config_processing: bool,
    pluginserver_names: Vec<String>,
    port_maps: Vec<(u16, u16)> = derived::port_maps,
    anonymous_reports: bool,
    proxy_server: Option<String>,
    proxy_server_ssl_verify: bool,
    error_template_html: Option<PathBuf>,
    error_template_json: Option<PathBuf>,
    error_template_xml: Option<PathBuf>,
    error_template_plain: Option<PathBuf>,
    config_watch: bool,
    role: Role,
    cluster_mtls: ClusterMtls,
    cluster_cert: Option<String>,
    cluster_cert_key: Option<String>,
    cluster_ca_cert: Option<String>,
    cluster_server_name: Option<String>,
    cluster_control_plane: String,
    cluster_max_payload: u64,
    cluster_dp_labels: Vec<String>,
    cluster_listen: Vec<Listen> = listen::http,
    cluster_data_plane_purge_delay: Duration = seconds,
    cluster_ocsp: ClusterOcsp,
    cluster_use_proxy: bool,
    cluster_rpc: bool,
    cluster_incremental_sync: bool,
    cluster_cjson: bool,
    proxy_listen: Vec<Listen> = listen::http,
    stream_listen: Vec<Listen> = listen::stream,
    admin_listen: Vec<Listen> = listen::http,
    status_listen: Vec<Listen> = listen::http,
    admin_gui_listen: Vec<Listen> = listen::http,
    mem_cache_size: u64 = derived::size,
    ssl_cipher_suite: String,
    ssl_ciphers: Option<String>,
    ssl_session_cache_size: u64 = derived::size,
    ssl_cert: Vec<String>,
    ssl_cert_key: Vec<String>,
    ssl_dhparam: Option<String>,
    client_ssl: bool,
    client_ssl_cert: Option<String>,
    client_ssl_cert_key: Option<String>,
    admin_ssl_cert: Vec<String>,
    admin_ssl_cert_key: Vec<String>,
    status_ssl_cert: Vec<String>,
    status_ssl_cert_key: Vec<String>,
    admin_gui_ssl_cert: Vec<String>,
    admin_gui_ssl_cert_key: Vec<String>,
    headers: HeaderTokens,
    headers_upstream: HeaderTokens,
    trusted_ips: TrustedIps,
    error_default_type: String,
    upstream_keepalive_pool_size: usize,
    upstream_keepalive_max_requests: u64,
    upstream_keepalive_idle_timeout: Duration = seconds,
    allow_debug_header: bool,
    database: Database,
    pg_host: String,
    pg_port: u16,
    pg_timeout: Duration = milliseconds,
    pg_user: String,
    pg_password: Option<String>,
    pg_database: String,
    pg_schema: Option<String>,
    pg_ssl: bool,
    pg_ssl_verify: bool,
    pg_max_concurrent_queries: u32,
    pg_semaphore_timeout: Duration = milliseconds,
    pg_keepalive_timeout: Option<Duration> = optional_milliseconds,
    pg_pool_size: Option<u32>,
    pg_backlog: Option<u32>,
    pg_ro_host: Option<String>,
    pg_ro_port: Option<u16>,
    pg_ro_timeout: Option<Duration> = optional_milliseconds,
    pg_ro_user: Option<String>,
    pg_ro_password: Option<String>,
    pg_ro_database: Option<String>,
    pg_ro_schema: Option<String>,
    pg_ro_ssl: Option<bool>,
    pg_ro_ssl_verify: Option<bool>,
    pg_ro_max_concurrent_queries: Option<u32>,
    pg_ro_semaphore_timeout: Option<Duration> = optional_milliseconds,
    pg_ro_keepalive_timeout: Option<Duration> = optional_milliseconds,
    pg_ro_pool_size: Option<u32>,
    pg_ro_backlog: Option<u32>,
    cassandra_contact_points: Vec<String>,
    cassandra_port: u16,
    cassandra_keyspace: String,
    cassandra_write_consistency: Consistency,
    cassandra_read_consistency: Consistency,
    cassandra_timeout: Duration = milliseconds,
    cassandra_ssl: bool,
    cassandra_ssl_verify: bool,
    cassandra_username: String,
    cassandra_password: Option<String>,
    cassandra_lb_policy: LoadBalancing,
    cassandra_local_datacenter: Option<String>,
    cassandra_refresh_frequency: Duration = seconds,
    cassandra_repl_strategy: Replication,
    cassandra_repl_factor: u32,
    cassandra_data_centers: Vec<String>,
    cassandra_schema_consensus_timeout: Duration = milliseconds,
    sqlite_path: PathBuf,
    db_resilience: bool,
    declarative_config: Option<PathBuf>,
    declarative_config_string: Option<String>,
    lmdb_environment_path: PathBuf,
    lmdb_map_size: u64 = derived::size,
    db_update_frequency: Duration = seconds,
    db_update_propagation: Duration = seconds,
    db_cache_ttl: Duration = seconds,
    db_cache_neg_ttl: Option<Duration> = optional_seconds,
    db_resurrect_ttl: Duration = seconds,
    db_cache_warmup_entities: Vec<String>,
    dns_resolver: Vec<String>,
    dns_hostsfile: PathBuf,
    dns_order: Vec<String>,
    dns_valid_ttl: Option<Duration> = optional_seconds,
    dns_stale_ttl: Duration = seconds,
    dns_cache_size: usize,
    dns_not_found_ttl: Duration = seconds,
    dns_error_ttl: Duration = seconds,
    dns_no_sync: bool,
    new_dns_client: bool,
    resolver_address: Vec<String>,
    resolver_hosts_file: PathBuf,
    resolver_family: Vec<String>,
    resolver_valid_ttl: Option<Duration> = optional_seconds,
    resolver_error_ttl: Duration = seconds,
    resolver_stale_ttl: Duration = seconds,
    resolver_lru_cache_size: usize,
    resolver_mem_cache_size: u64 = derived::size,
    vault_env_prefix: String,
    worker_consistency: WorkerConsistency,
    worker_state_update_frequency: Duration = seconds,
    worker_events_max_payload: u64,
    router_flavor: RouterFlavor,
    lua_memory_limit: usize,
    lua_max_req_headers: usize,
    lua_max_resp_headers: usize,
    lua_max_uri_args: usize,
    lua_max_post_args: usize,
    lua_time_limit: Duration = milliseconds,
    lua_ssl_trusted_certificate: Vec<String>,
    lua_ssl_verify_depth: u32,
    lua_ssl_protocols: String,
    lua_package_path: String,
    lua_package_cpath: String,
    lua_socket_pool_size: usize,
    untrusted_lua: UntrustedLua,
    untrusted_lua_sandbox_requires: Vec<String>,
    untrusted_lua_sandbox_environment: Vec<String>,
    node_id: Option<String>,
    admin_gui_url: Vec<String>,
    admin_gui_path: String,
    admin_gui_api_url: Option<String>,
    wasm: bool,
    wasm_filters_path: Option<PathBuf>,
    wasm_filters: Vec<String>,
    request_debug: bool,
    request_debug_token: Option<String>,
    kic: bool,
}

impl Conf {
    /// Every property and everything derived from them, sorted by name, in Kong's resolved form: what
    /// `kong.configuration` holds.
    pub fn values(&self) -> impl Iterator<Item = (&str, &ConfValue)> {
        self.values.iter()
    }

    /// The value of one property, or of something derived from them, by name.
    pub fn value(&self, name: &str) -> Option<&ConfValue> {
        self.values.find(name)
    }

    /// Every value as it may be shown: `******` for what is sensitive, the reference for what is one.
    ///
    /// *Kong parity*: this is the `configuration` of the Admin API's root.
    pub fn public_values(&self) -> impl Iterator<Item = (&str, Cow<'_, ConfValue>)> {
        self.values.iter().map(|(name, value)| {
            let shown = match self.references.get(name) {
                _ if Conf::is_sensitive(name) => Cow::Owned(ConfValue::from(MASK)),
                Some(reference) => Cow::Owned(ConfValue::from(reference.as_str())),
                None => Cow::Borrowed(value),
            };
            (name, shown)
        })
    }

    /// Replaces values and reads the typed fields anew.
    fn set_values<'a>(&mut self, replaced: impl IntoIterator<Item = (&'a str, ConfValue)>) {
        for (name, value) in replaced {
            self.values.set(name, value);
        }
        let file = self.file.take();
        let fresh = Conf::from_values(
            std::mem::take(&mut self.values),
            std::mem::take(&mut self.references),
            std::mem::take(&mut self.warnings),
        );
        *self = Conf { file, ..fresh };
    }

    /// Whether `name` must be masked wherever the configuration is printed.
    pub fn is_sensitive(name: &str) -> bool {
        table::find(name).is_some_and(|property| property.sensitive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows without a field of their own, each for a reason.
    fn is_served_otherwise(property: &Property) -> bool {
        let name = property.name;
        table::family_of(name).is_some()
            || property.deprecated.is_some_and(|what| !matches!(what, Deprecated::Value(_)))
            || property.alias_of.is_some()
            || !property.sets.is_empty()
            || matches!(
                name,
                "host_ports"
                    | "client_body_buffer_size"
                    | "openresty_path"
                    | "_debug_pg_ttl_cleanup_interval"
                    | "wasm_dynamic_module"
                    | "debug_ssl_cert"
                    | "debug_ssl_cert_key"
            )
    }

    #[test]
    fn every_property_is_a_field_and_every_field_a_property() {
        for property in table::properties() {
            assert!(
                FIELDS.contains(&property.name) || is_served_otherwise(property),
                "{} has no field",
                property.name
            );
        }
        for field in FIELDS {
            assert!(table::find(field).is_some() || table::family_of(field).is_some(), "{field} has no row");
        }
    }

    #[test]
    fn secrets_are_masked_and_references_shown() {
        let environment = [("PG_DATABASE".to_owned(), "secret".to_owned())].into();
        let sources = Sources::new(None)
            .without_default_files()
            .environment(environment)
            .flag("pg_password", Some("hide_me"))
            .flag("pg_database", Some("{vault://env/pg-database}"));
        let conf = Conf::load(&sources).unwrap();
        let shown =
            |name: &str| conf.public_values().find(|(known, _)| *known == name).map(|(_, value)| value);
        assert_eq!(conf.pg_database, "secret");
        assert_eq!(shown("pg_password").as_deref(), Some(&ConfValue::from(MASK)));
        assert_eq!(shown("pg_database").as_deref(), Some(&ConfValue::from("{vault://env/pg-database}")));
        assert_eq!(shown("pg_ro_password"), None, "an unset secret is not shown at all");
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_the_loader_fail_otherwise(text in "(\\PC|\n){0,200}") {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &text).unwrap();
            drop(Conf::load(&Sources::new(Some(file.path())).environment([].into())));
        }

        #[test]
        fn no_value_makes_the_loader_fail_otherwise(row in 0..200_usize, value in "\\PC{0,40}") {
            let property = table::properties().nth(row % table::properties().count()).unwrap();
            let sources = Sources::new(None).without_default_files().environment([].into());
            drop(Conf::load(&sources.flag(property.name, Some(&value))));
        }
    }

    #[test]
    fn a_configuration_can_be_shared_by_threads() {
        fn shareable<T: Send + Sync + Clone>() {}
        shareable::<Conf>();
    }
}
