//! The plugins of Kong's own test suite, from the checkout that `KONG_SOURCES` names.

use crate::foreign_sources::{self, Table, demand, expect};
use crate::support::{Gateway, Setup, Upstream, get, request};
use serde_json::{Value, json};
use std::path::Path;

/// Plugins that do not load in Kong 3.9.3 either, and those that wait for a later part of the gateway.
const UNLOADABLE: [(&str, &str); 3] = [
    ("cluster-error-reporting", "module 'kong.clustering' not found"),
    ("invalid-schema", "Validation error"),
    ("worker-events", "its VERSION field does not follow the \"x.y.z\" format"),
];

/// A gateway with plugins of the suite, the first of them on a route `/` with a configuration.
fn start(kong: &Path, folder: &Path, plugins: &[&str], config: Value) -> Result<Gateway, String> {
    let own = folder.join("modules");
    if !own.exists() {
        foreign_sources::link(kong, &["spec/fixtures/custom_plugins"], &own);
    }
    let suite = own.join("spec/fixtures/custom_plugins");
    let yaml = json!({
        "_format_version": "3.0",
        "services": [{"name": "s", "url": Upstream::start().url(), "routes": [{"name": "r", "paths": ["/"]}]}],
        "plugins": [{"name": plugins[0], "route": "r", "config": config}],
    });
    let setup = Setup::declarative(yaml.to_string())
        .with("plugins", format!("bundled,{}", plugins.join(",")))
        .with("nginx_main_worker_processes", "1")
        .with("lua_package_path", foreign_sources::package_path(&[&suite, &own]));
    let (gateway, output) = setup.try_start();
    if output.status.success() { Ok(gateway) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

fn names(kong: &Path) -> Vec<String> {
    let folder = kong.join("spec/fixtures/custom_plugins/kong/plugins");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_plugins_of_kongs_test_suite_load() {
    let Some(kong) = foreign_sources::folder("KONG_SOURCES") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut table, mut loaded) = (Table::default(), Vec::new());
    for plugin in names(&kong) {
        match UNLOADABLE.iter().find(|(name, _)| *name == plugin) {
            None => loaded.push(plugin),
            Some((_, said)) => {
                let refusal = start(&kong, folder.path(), &[&plugin], json!({})).err().unwrap_or_default();
                table.add(plugin, demand(refusal.contains(said), refusal));
            }
        }
    }
    let all: Vec<&str> = std::iter::once("dummy")
        .chain(loaded.iter().map(String::as_str).filter(|name| *name != "dummy"))
        .collect();
    let outcome = start(&kong, folder.path(), &all, json!({})).and_then(|gateway| {
        expect("status", get(gateway.proxy, "/", &[]).status, 200)?;
        let enabled = get(gateway.admin, "/plugins/enabled", &[]).text();
        loaded.iter().try_for_each(|name| demand(enabled.contains(&format!("\"{name}\"")), name.clone()))
    });
    table.add("all others at once", outcome);
    table.finish(&[]);
}

type Check = fn(&Gateway) -> Result<(), String>;

#[test]
fn the_plugins_of_kongs_test_suite_do_their_work() {
    let Some(kong) = foreign_sources::folder("KONG_SOURCES") else { return };
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, Value, Check); 14] = [
        ("short-circuit", json!({"status": 418, "message": "short"}), |gateway| {
            let reply = get(gateway.proxy, "/", &[]);
            expect("init_worker", reply.field("Kong-Init-Worker-Called"), Some("true"))?;
            expect("answer", (reply.status, reply.json()["message"].as_str()), (418, Some("short")))
        }),
        ("dummy", json!({"resp_header_value": "2"}), |gateway| {
            let reply = get(gateway.proxy, "/", &[]);
            expect("answer", (reply.status, reply.field("Dummy-Plugin")), (200, Some("2")))?;
            expect("exit", get(gateway.proxy, "/?send_error=1", &[]).status, 404)
        }),
        ("get-plugin-id", json!({}), |gateway| {
            let id = get(gateway.admin, "/plugins", &[]).json()["data"][0]["id"].clone();
            expect("id", get(gateway.proxy, "/", &[]).text().as_str(), id.as_str().unwrap_or_default())
        }),
        (
            "ctx-checker",
            json!({"ctx_set_field": "f", "ctx_set_value": "v", "ctx_check_field": "f"}),
            |gateway| expect("field", get(gateway.proxy, "/", &[]).field("ctx-checker-f"), Some("v")),
        ),
        ("enable-buffering-response", json!({"phase": "response", "mode": "modify-json"}), |gateway| {
            let reply = get(gateway.proxy, "/", &[]);
            expect(
                "answer",
                (reply.field("Modified"), reply.json()["modified"].as_bool()),
                (Some("yes"), Some(true)),
            )
        }),
        ("error-generator", json!({"access": true}), |gateway| {
            expect("status", get(gateway.proxy, "/", &[]).status, 500)?;
            gateway.wait_for_log("[error-generator] access");
            Ok(())
        }),
        ("init-worker-lua-error", json!({}), |gateway| {
            gateway.wait_for_log(
                "worker initialization error: failed to execute the \"init_worker\" handler for \
                plugin \"init-worker-lua-error\"",
            );
            expect("status", get(gateway.proxy, "/", &[]).status, 200)
        }),
        ("max-args", json!({}), |gateway| {
            let query: Vec<String> = (1..=120).map(|n| format!("a{n}=v{n}")).collect();
            let reply = get(gateway.proxy, &format!("/?{}", query.join("&")), &[]).json();
            expect("all", reply["client_args_count"].as_u64(), Some(120))?;
            expect("read", reply["kong"]["uri_args"].as_object().map(serde_json::Map::len), Some(100))
        }),
        ("plugin-config-dump", json!({}), |gateway| {
            let conf = get(gateway.proxy, "/", &[]).json();
            demand(conf["__plugin_id"].is_string() && conf["route_id"].is_string(), conf.to_string())
        }),
        ("response-phase", json!({}), |gateway| expect("status", get(gateway.proxy, "/", &[]).status, 200)),
        ("request-aware-table", json!({}), |gateway| {
            expect("new", get(gateway.proxy, "/?new_tab=true", &[]).status, 200)?;
            expect("used", get(gateway.proxy, "/", &[]).status, 200)
        }),
        ("logger", json!({}), |gateway| {
            get(gateway.proxy, "/", &[]);
            for phase in ["init_worker", "access", "header_filter", "body_filter", "log"] {
                gateway.wait_for_log(&format!("{phase} phase"));
            }
            Ok(())
        }),
        ("admin-api-method", json!({}), |gateway| {
            let reply = get(gateway.admin, "/method_without_exit", &[]);
            expect("answer", (reply.status, reply.text().as_str()), (201, "hello"))?;
            expect("header", reply.field("x-foo"), Some("bar"))?;
            let reply = request(
                gateway.admin,
                "POST",
                "/parsed_params",
                &[("Content-Type", "application/json")],
                b"{\"items\":[1,2]}",
            );
            expect("parameters", reply.json(), json!({"items": [1, 2]}))?;
            expect(
                "status API",
                get(gateway.status, "/hello", &[]).json(),
                json!({"hello": "from status api"}),
            )
        }),
        ("api-override", json!({}), |gateway| {
            let routes = get(gateway.admin, "/routes", &[]);
            expect("routes", routes.field("Kong-Api-Override"), Some("ok"))?;
            expect("data", routes.json()["data"][0]["name"].as_str(), Some("r"))?;
            expect("services", get(gateway.admin, "/services", &[]).field("Kong-Api-Override"), Some("ok"))
        }),
    ];
    let mut table = Table::default();
    for (plugin, config, check) in cases {
        let outcome = start(&kong, folder.path(), &[plugin], config).and_then(|gateway| check(&gateway));
        table.add(plugin, outcome);
    }
    table.finish(&[]);
}
