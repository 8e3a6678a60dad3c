//! What Kong's own specification of its configuration loader asks for and no other test here covers.

use std::collections::BTreeMap;
use std::path::Path;

use super::directives::{BodyLimit, SharedDict};
use super::*;

fn load(properties: &[(&str, &str)]) -> Conf {
    try_load(properties).unwrap()
}

fn try_load(properties: &[(&str, &str)]) -> Result<Conf, ConfError> {
    let sources = Sources::new(None).without_default_files().environment(BTreeMap::new());
    Conf::load(&properties.iter().fold(sources, |sources, (name, value)| sources.flag(name, Some(value))))
}

fn text<'a>(conf: &'a Conf, name: &str) -> Option<&'a str> {
    conf.value(name).and_then(ConfValue::as_str)
}

/// The values of the directive `name` in one of the lists of directives.
fn directive(conf: &Conf, list: &str, name: &str) -> Vec<String> {
    let field = |map: &ConfValue, wanted: &str| match map {
        ConfValue::Map(fields) => fields
            .iter()
            .find(|(key, _)| key == wanted)
            .and_then(|(_, value)| value.as_str().map(str::to_owned)),
        _ => None,
    };
    let entries = conf.value(list).and_then(ConfValue::as_array).unwrap_or_default();
    entries
        .iter()
        .filter(|entry| field(entry, "name").as_deref() == Some(name))
        .filter_map(|entry| field(entry, "value"))
        .collect()
}

#[test]
fn the_defaults_are_kongs() {
    let conf = load(&[]);
    assert_eq!(conf.prefix, Path::new("/usr/local/kong"));
    assert_eq!(conf.log_level, Level::Notice);
    assert_eq!(conf.database, Database::Postgres);
    assert_eq!(conf.worker_consistency, WorkerConsistency::Eventual);
    assert_eq!(conf.router_flavor, RouterFlavor::TraditionalCompatible);
    assert_eq!(conf.plugins, BUNDLED_PLUGINS);
    assert_eq!(conf.lua_socket_pool_size, 256);
    assert_eq!(conf.nginx.proxy.client_max_body_size, BodyLimit::Unlimited);
    assert_eq!(conf.nginx.admin.client_max_body_size, BodyLimit::Bytes(10 << 20));
    assert_eq!(conf.nginx.proxy.keepalive_requests, 10_000);
    assert_eq!(conf.nginx.proxy.charset.as_deref(), Some("UTF-8"));
    assert!(conf.anonymous_reports && conf.dedicated_config_processing && conf.config_watch);
    assert!(!conf.pg_ssl && !conf.allow_debug_header);
    assert_eq!(text(&conf, "nginx_main_worker_processes"), Some("auto"));
    assert_eq!(text(&conf, "nginx_main_daemon"), Some("on"));
    assert_eq!(text(&conf, "lmdb_validation_tag"), Some("3.9"));
    assert_eq!(conf.value("ssl_cert"), Some(&ConfValue::Array(Vec::new())));
    assert_eq!(conf.warnings, Vec::<String>::new());
}

#[test]
fn paths_below_the_prefix_are_attached() {
    let conf = load(&[]);
    for (name, path) in [
        ("nginx_pid", "/usr/local/kong/pids/nginx.pid"),
        ("nginx_acc_logs", "/usr/local/kong/logs/access.log"),
        ("kong_env", "/usr/local/kong/.kong_env"),
        ("ssl_cert_default", "/usr/local/kong/ssl/kong-default.crt"),
        ("admin_gui_ssl_cert_key_default", "/usr/local/kong/ssl/admin-gui-kong-default.key"),
        ("socket_path", "/usr/local/kong/sockets"),
    ] {
        assert_eq!(text(&conf, name), Some(path));
    }
}

#[test]
fn listeners_are_attached_with_their_flags() {
    let conf = load(&[]);
    let Some(ConfValue::Array(listeners)) = conf.value("admin_listeners") else { panic!("no listeners") };
    assert_eq!(listeners.len(), 2);
    assert_eq!(conf.value("admin_ssl_enabled"), Some(&ConfValue::Boolean(true)));
    assert_eq!(conf.value("status_ssl_enabled"), Some(&ConfValue::Boolean(false)));
    assert_eq!(load(&[("proxy_listen", "off")]).proxy_listen, []);
}

#[test]
fn the_managers_origins_are_without_their_paths() {
    assert_eq!(load(&[]).value("admin_gui_origin"), None);
    let conf = load(&[("admin_gui_url", "http://localhost:8002/manager, https://localhost:8445/manager")]);
    let expected = ConfValue::list(["http://localhost:8002", "https://localhost:8445"]);
    assert_eq!(conf.value("admin_gui_origin"), Some(&expected));
}

#[test]
fn directives_are_collected_by_namespace() {
    let conf = load(&[
        ("plugins", "off"),
        ("nginx_http_variables_hash_bucket_size", "256"),
        ("nginx_stream_lua_shared_dict", "custom_cache 2m"),
        ("nginx_sproxy_proxy_bind", "127.0.0.2"),
        ("nginx_admin_server_tokens", "build"),
        ("nginx_http_charset", "NONE"),
        ("nginx_wasm_v8_flag", "1"),
    ]);
    assert_eq!(directive(&conf, "nginx_http_directives", "variables_hash_bucket_size"), ["256"]);
    assert_eq!(directive(&conf, "nginx_stream_directives", "lua_shared_dict"), ["custom_cache 2m"]);
    assert_eq!(directive(&conf, "nginx_sproxy_directives", "proxy_bind"), ["127.0.0.2"]);
    assert_eq!(directive(&conf, "nginx_admin_directives", "server_tokens"), ["build"]);
    assert!(directive(&conf, "nginx_http_directives", "charset").is_empty());
    assert!(directive(&conf, "nginx_http_directives", "lua_ssl_protocols").is_empty());
    assert_eq!(directive(&conf, "nginx_wasm_v8_directives", "flag"), ["1"]);
    assert!(directive(&conf, "nginx_wasm_main_directives", "v8_flag").is_empty());
    let expected = "nginx directives that have no effect here: nginx_admin_server_tokens, \
                    nginx_http_variables_hash_bucket_size, nginx_sproxy_proxy_bind, nginx_wasm_v8_flag";
    assert_eq!(conf.warnings, [expected]);
}

#[test]
fn the_prometheus_plugin_brings_its_dictionaries() {
    let dicts = |properties: &[(&str, &str)]| {
        directive(&load(properties), "nginx_http_directives", "lua_shared_dict")
    };
    assert_eq!(dicts(&[]), ["prometheus_metrics 5m"]);
    assert_eq!(dicts(&[("nginx_http_lua_shared_dict", "prometheus_metrics 2m")]), ["prometheus_metrics 2m"]);
    assert_eq!(
        dicts(&[("nginx_http_lua_shared_dict", "custom_cache 2m")]),
        ["custom_cache 2m", "prometheus_metrics 5m"]
    );
    assert!(dicts(&[("plugins", "off")]).is_empty());

    let conf = load(&[("nginx_http_lua_shared_dict", "custom_cache 2m; lua_shared_dict other 1m")]);
    let size =
        |name: &str| conf.nginx.shared_dicts.iter().find(|dict| dict.name == name).map(|dict| dict.size);
    assert_eq!(size("custom_cache"), Some(2 << 20));
    assert_eq!(size("other"), Some(1 << 20));
    assert_eq!(size("kong_db_cache"), Some(128 << 20));
    assert_eq!((size("stream_prometheus_metrics"), size("kong_dns_cache")), (None, None));
    assert!(conf.nginx.shared_dicts.contains(&SharedDict { name: "kong".to_owned(), size: 5 << 20 }));
    let conf = load(&[("stream_listen", "127.0.0.1:9000"), ("new_dns_client", "on")]);
    let has = |name: &str| conf.nginx.shared_dicts.iter().any(|dict| dict.name == name);
    assert!(has("stream_prometheus_metrics") && has("stream_kong") && has("kong_dns_cache"));
}

#[test]
fn nobody_unsets_the_user() {
    for user in ["nobody", "nobody nobody"] {
        let conf = load(&[("nginx_main_user", user)]);
        assert_eq!((text(&conf, "nginx_main_user"), conf.nginx.main.user.clone()), (None, None));
        assert_eq!(text(&load(&[("nginx_user", user)]), "nginx_user"), None);
    }
    let conf = load(&[("nginx_main_user", "www_data www_data")]);
    assert_eq!(text(&conf, "nginx_main_user"), Some("www_data www_data"));
}

#[test]
fn lua_protocols_set_both_subsystems() {
    let conf = load(&[("lua_ssl_protocols", "TLSv1.1")]);
    assert_eq!(text(&conf, "nginx_http_lua_ssl_protocols"), Some("TLSv1.1"));
    let conf =
        load(&[("nginx_http_lua_ssl_protocols", "TLSv1.2"), ("nginx_stream_lua_ssl_protocols", "TLSv1.3")]);
    assert_eq!(text(&conf, "nginx_http_lua_ssl_protocols"), Some("TLSv1.2"));
    assert_eq!(text(&conf, "nginx_stream_lua_ssl_protocols"), Some("TLSv1.3"));
    assert_eq!(text(&load(&[]), "nginx_stream_lua_ssl_protocols"), Some("TLSv1.2 TLSv1.3"));
}

#[test]
fn numbers_and_words_keep_their_kind() {
    let conf = load(&[("pg_password", "123456"), ("pg_port", "0x10"), ("nginx_daemon", "true")]);
    assert_eq!(conf.pg_password.as_deref(), Some("123456"));
    assert_eq!(conf.pg_port, 16);
    assert_eq!(text(&conf, "nginx_daemon"), Some("on"));
    let doubtful = load(&[("pg_ssl", "yes")]);
    assert_eq!(doubtful.warnings, ["pg_ssl has the unknown value 'yes', which means off"]);
}

#[test]
fn an_empty_enumeration_is_refused() {
    let error = try_load(&[("database", "")]).unwrap_err();
    assert_eq!(error.to_string(), "database has an invalid value: 'nil' (postgres, cassandra, off)");
}

#[test]
fn every_store_can_be_chosen() {
    assert_eq!(load(&[("database", "off")]).storage(), Ok(Database::Off));
    assert_eq!(load(&[("database", "sqlite")]).storage(), Ok(Database::Sqlite));
    assert_eq!(load(&[("database", "postgres")]).storage(), Ok(Database::Postgres));
    assert_eq!(load(&[("database", "cassandra")]).storage(), Ok(Database::Cassandra));
}
