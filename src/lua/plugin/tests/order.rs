//! Which plugins run, in which order, with which configuration.

use super::harness::{Gateway, ROUTE, SERVICE};
use serde_json::json;
use std::fs;

/// Writes handlers that note their phases in a response header, and makes a gateway of them.
pub(super) fn gateway_of(handlers: &[(&str, &str)]) -> (tempfile::TempDir, Gateway) {
    gateway_with_jit(true, handlers)
}

/// The same with the JIT compiler on or off.
pub(super) fn gateway_with_jit(jit: bool, handlers: &[(&str, &str)]) -> (tempfile::TempDir, Gateway) {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in handlers {
        let plugin = folder.path().join("kong/plugins").join(name);
        fs::create_dir_all(&plugin).unwrap();
        fs::write(plugin.join("handler.lua"), source).unwrap();
    }
    let names: Vec<&str> = handlers.iter().map(|(name, _)| *name).collect();
    let path = format!("{}/?.lua", folder.path().display());
    let gateway = Gateway::with_jit(jit, &names, &path).unwrap_or_else(|error| panic!("{}", error.report()));
    (folder, gateway)
}

fn noting(name: &str, priority: i32) -> String {
    format!(
        r#"return {{
            PRIORITY = {priority}, VERSION = "1.0.0",
            access = function(self, conf)
                kong.response.add_header("X-Ran", "{name}:" .. (conf.mark or ""))
            end,
        }}"#
    )
}

fn ran(answer: &super::harness::Answer) -> Vec<String> {
    let values = answer.exchange.response.head.fields.values(b"X-Ran");
    values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn higher_priority_runs_first_and_among_equals_the_later_name() {
    let (low, b, c) = (noting("low", 1), noting("b", 10), noting("c", 10));
    let (_folder, gateway) = gateway_of(&[("low", &low), ("b", &b), ("c", &c)]);
    let plugin = |name: &str| json!({"name": name, "enabled": true, "config": {}});
    gateway.configure(&json!({"plugins": [plugin("low"), plugin("b"), plugin("c")]}));
    assert_eq!(ran(&gateway.get("/", &[])), ["c:", "b:", "low:"]);
}

#[test]
fn the_most_specific_configuration_wins() {
    let (_folder, gateway) = gateway_of(&[("a", &noting("a", 1))]);
    let plugin = |mark: &str, scope: serde_json::Value| {
        let mut row = json!({"name": "a", "enabled": true, "config": {"mark": mark}});
        row.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        row
    };
    let global = plugin("global", json!({}));
    let service = plugin("service", json!({"service": {"id": SERVICE}}));
    let route = plugin("route", json!({"route": {"id": ROUTE}}));
    gateway.configure(&json!({"plugins": [global, service, route]}));
    assert_eq!(ran(&gateway.get("/", &[])), ["a:route"]);
    gateway.configure(&json!({"plugins": [global, service]}));
    assert_eq!(ran(&gateway.get("/", &[])), ["a:service"]);
    gateway.configure(&json!({"plugins": [global]}));
    assert_eq!(ran(&gateway.get("/", &[])), ["a:global"]);
    gateway.configure(&json!({"plugins": []}));
    assert!(ran(&gateway.get("/", &[])).is_empty());
}

#[test]
fn a_consumer_brings_its_own_configuration_to_plugins_behind_authentication() {
    let auth = r#"return {
        PRIORITY = 100, VERSION = "1.0.0",
        access = function()
            kong.client.authenticate({ id = "c0000000-0000-4000-8000-000000000001", username = "bob" }, { id = "k" })
        end,
    }"#;
    let (_folder, gateway) =
        gateway_of(&[("auth", auth), ("a", &noting("a", 1)), ("early", &noting("early", 200))]);
    let consumer = json!({"id": "c0000000-0000-4000-8000-000000000001"});
    let own = |name: &str, mark: &str| json!({"name": name, "enabled": true, "config": {"mark": mark}, "consumer": consumer});
    gateway.configure(&json!({"plugins": [
        {"name": "auth", "enabled": true, "config": {}},
        {"name": "a", "enabled": true, "config": {"mark": "global"}}, own("a", "bob"),
        {"name": "early", "enabled": true, "config": {"mark": "global"}}, own("early", "bob"),
    ]}));
    assert_eq!(ran(&gateway.get("/", &[])), ["early:global", "a:bob"]);
}

#[test]
fn a_configuration_is_one_table_as_long_as_it_stays_the_same() {
    let keeping = r#"
        local seen = setmetatable({}, { __mode = "k" })
        return {
            PRIORITY = 1, VERSION = "1.0.0",
            access = function(self, conf)
                seen[conf] = (seen[conf] or 0) + 1
                kong.response.set_header("X-Seen", seen[conf])
                kong.response.set_header("X-Fields", conf.__plugin_id .. " " .. tostring(conf.route_id) .. " "
                  .. tostring(conf.plugin_instance_name) .. " " .. type(conf.__seq__) .. " " .. conf.__key__)
            end,
        }"#;
    let (_folder, gateway) = gateway_of(&[("a", keeping)]);
    let entities = |mark: &str| {
        json!({"plugins": [{"id": "p1000000-0000-4000-8000-000000000001", "name": "a", "enabled": true,
            "instance_name": "mine", "route": {"id": ROUTE}, "config": {"mark": mark, "none": null}}]})
    };
    gateway.configure(&entities("x"));
    assert_eq!(gateway.get("/", &[]).header("X-Seen").unwrap(), "1");
    gateway.configure(&entities("x"));
    let answer = gateway.get("/", &[]);
    assert_eq!(answer.header("X-Seen").unwrap(), "2");
    let expected = format!(
        "p1000000-0000-4000-8000-000000000001 {ROUTE} mine number plugins:a:{ROUTE}::::0dc6f45b-8f8d-40d2-a504-473544ee190b"
    );
    assert_eq!(answer.header("X-Fields").unwrap(), expected);
    gateway.configure(&entities("y"));
    assert_eq!(gateway.get("/", &[]).header("X-Seen").unwrap(), "1");
}

#[test]
fn a_configuration_with_secrets_follows_the_vault_it_refers_to() {
    let telling = r#"return {
        PRIORITY = 1, VERSION = "1.0.0",
        access = function(self, conf) kong.response.set_header("X-Secret", "<" .. conf.secret .. ">") end,
    }"#;
    let (_folder, gateway) = gateway_of(&[("a", telling)]);
    let entities = |prefix: &str| {
        json!({
            "plugins": [{"name": "a", "enabled": true, "config": {"secret": "{vault://mine/secret}"}}],
            "vaults": [{"name": "env", "prefix": "mine", "config": {"prefix": prefix}}],
        })
    };
    for (prefix, secret) in [
        ("KONG_TEST_", "<hidden>"),
        ("KONG_TEST_", "<hidden>"),
        ("KONG_ABSENT_", "<>"),
        ("KONG_TEST_", "<hidden>"),
    ] {
        gateway.configure(&entities(prefix));
        assert_eq!(gateway.get("/", &[]).header("X-Secret").as_deref(), Some(secret));
    }
}

#[test]
fn a_plugin_that_is_not_there_is_named() {
    let Err(error) = Gateway::new(&["nothing-here"], "") else { panic!("it loaded") };
    assert!(
        error.report().contains("nothing-here plugin is enabled but not installed"),
        "{}",
        error.report()
    );
}

#[test]
fn response_and_filters_in_one_plugin_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kong/plugins/both");
    fs::create_dir_all(&plugin).unwrap();
    let source = "return { PRIORITY = 1, VERSION = '1.0.0', response = function() end, header_filter = function() end }";
    fs::write(plugin.join("handler.lua"), source).unwrap();
    let Err(error) = Gateway::new(&["both"], &format!("{}/?.lua", folder.path().display())) else {
        panic!("it loaded")
    };
    assert!(
        error.report().contains("it implements both `response` and `header_filter` or `body_filter` methods")
    );
}

#[test]
fn a_handler_in_the_style_of_base_plugin_runs() {
    let old = r#"
        local BasePlugin = require "kong.plugins.base_plugin"
        local Old = BasePlugin:extend()
        Old.PRIORITY = 5
        function Old:new() Old.super.new(self, "old") end
        function Old:access(conf)
            Old.super.access(self)
            kong.response.set_header("X-Old", self._name)
        end
        return Old"#;
    let (_folder, gateway) = gateway_of(&[("old", old)]);
    gateway.configure(&json!({"plugins": [{"name": "old", "enabled": true, "config": {}}]}));
    assert_eq!(gateway.get("/", &[]).header("X-Old").unwrap(), "old");
    assert_eq!(&*gateway.runner.kinds()[0].version, "0");
}

#[test]
fn a_configuration_has_secrets_in_place_of_references() {
    let (_folder, gateway) = gateway_of(&[("a", &noting("a", 1))]);
    let marked = |mark: &str| json!({"plugins": [{"name": "a", "enabled": true, "config": {"mark": mark}}]});
    gateway.configure(&marked("{vault://env/kong-test-secret}"));
    assert_eq!(ran(&gateway.get("/", &[])), ["a:hidden"]);
    gateway.configure(&marked("{vault://env/nothing-here}"));
    assert_eq!(ran(&gateway.get("/", &[])), ["a:"]);
}
