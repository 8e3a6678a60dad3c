//! A plugin of one's own, from a folder on `lua_package_path`.

use crate::support::{Gateway, Load, Setup, Upstream, get};
use std::fs;
use std::path::Path;

const SCHEMA: &str = "return { name = 'stamp', fields = { { config = { type = 'record', fields = {
  { text = { type = 'string', default = 'none' } } } } } } }";

fn handler(greeting: &str) -> String {
    format!(
        "local Stamp = {{ VERSION = '1.0', PRIORITY = 900 }}
function Stamp:header_filter(conf)
  kong.response.set_header('X-Stamp', '{greeting} ' .. conf.text)
end
return Stamp"
    )
}

/// Replaces the handler as an editor does: by a rename.
fn write_handler(folder: &Path, text: &str) {
    let folder = folder.join("kong/plugins/stamp");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("schema.lua"), SCHEMA).unwrap();
    fs::write(folder.join("handler.lua.new"), text).unwrap();
    fs::rename(folder.join("handler.lua.new"), folder.join("handler.lua")).unwrap();
}

fn stamp(gateway: &Gateway) -> String {
    get(gateway.proxy, "/", &[]).field("X-Stamp").unwrap_or_default().to_owned()
}

#[test]
fn an_own_plugin_runs_and_an_edit_takes_effect_by_itself_without_a_lost_request() {
    let (upstream, sources) = (Upstream::start(), tempfile::tempdir().unwrap());
    write_handler(sources.path(), &handler("hello"));
    let yaml = format!(
        "_format_version: '3.0'
services: [{{ name: s, url: '{}', routes: [{{ name: r, paths: [/] }}] }}]
plugins: [{{ name: stamp, config: {{ text: world }} }}]
",
        upstream.url()
    );
    let gateway = Setup::declarative(yaml)
        .with("plugins", "bundled,stamp")
        .with("lua_package_path", format!("{}/?.lua;;", sources.path().display()))
        .start();
    assert_eq!(stamp(&gateway), "hello world");

    let load = Load::start(gateway.proxy, 8, 2);
    for greeting in ["good morning", "good night"] {
        write_handler(sources.path(), &handler(greeting));
        gateway.eventually(greeting, |gateway| stamp(gateway) == format!("{greeting} world"));
    }
    let serving = gateway.worker();
    for (broken, said) in [("local function", "handler.lua:1: "), ("error('not today')", "not today")] {
        write_handler(sources.path(), broken);
        gateway.wait_for_log("reload failed, the running configuration stays: ");
        gateway.wait_for_log(said);
        assert_eq!(stamp(&gateway), "good night world");
    }
    assert_eq!(gateway.worker(), serving);
    write_handler(sources.path(), &handler("welcome back"));
    gateway.eventually("the corrected handler", |gateway| stamp(gateway) == "welcome back world");
    load.finish_without_failure();
}

#[test]
fn a_plugin_without_an_access_phase_runs_wherever_it_is_attached() {
    let upstream = Upstream::start();
    let plugin = "plugins: [{ name: response-transformer, config: { add: { headers: ['X-Stamp:here'] } } }]";
    let service = |name: &str, plugin: &str, route_plugin: &str| {
        format!(
            "- name: {name}
  url: {}
  routes:
  - name: {name}
    paths: [/{name}]
    {route_plugin}
  {plugin}
",
            upstream.url()
        )
    };
    let services = [service("service", plugin, ""), service("route", "", plugin), service("neither", "", "")];
    let gateway =
        Setup::declarative(format!("_format_version: '3.0'\nservices:\n{}", services.concat())).start();
    for (path, stamp) in [("/service", Some("here")), ("/route", Some("here")), ("/neither", None)] {
        assert_eq!(get(gateway.proxy, path, &[]).field("X-Stamp"), stamp, "{path}");
    }
}

#[test]
fn a_plugin_that_is_enabled_but_not_there_refuses_the_start() {
    let (_gateway, output) =
        Setup::declarative("_format_version: '3.0'\n").with("plugins", "bundled,absent").try_start();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("absent plugin is enabled but not installed"), "{said}");
}
