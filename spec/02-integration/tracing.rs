//! Spans that the gateway makes for requests, as a plugin finds them.

use crate::support::{Answer, Gateway, Mock, Setup, get, request};
use serde_json::{Value, json};

/// Tells the collector every span of a request.
const PLUGIN: &str = r#"
local cjson = require "cjson"
local to_hex = require("resty.string").to_hex
local function hex(id) return id and to_hex(id) or nil end
return {
  VERSION = "1.0.0", PRIORITY = 5,
  access = function(_, conf)
    local balancer = require("kong.observability.tracing.tracing_context").get_unlinked_span("balancer")
    kong.service.request.set_header("X-Parent", balancer and hex(balancer.span_id) or "none")
    if kong.request.get_query_arg("throw") then
      error("by request")
    elseif kong.request.get_query_arg("exit") then
      kong.response.exit(418)
    elseif kong.request.get_query_arg("ask") then
      assert(require("resty.http").new():request_uri(conf.collector .. "/asked"))
    end
  end,
  log = function(_, conf)
    local spans = {}
    kong.tracing.process_span(function(span)
      spans[#spans + 1] = {
        name = span.name, id = hex(span.span_id), parent = hex(span.parent_id), trace = hex(span.trace_id),
        kind = span.kind, status = span.status, attributes = span.attributes, sampled = span.should_sample,
        events = span.events and span.events[1].attributes, lasts = span.end_time_ns - span.start_time_ns,
      }
    end)
    local body = cjson.encode { tracer = kong.tracing.name, uri = ngx.var.request_uri, spans = spans }
    ngx.timer.at(0, function()
      require("resty.http").new():request_uri(conf.collector .. "/spans", { method = "POST", body = body })
    end)
  end,
}"#;

const SCHEMA: &str = r#"
return { name = "tell-spans", fields = { { config = { type = "record", fields = {
  { collector = { type = "string" } },
} } } } }"#;

struct World {
    gateway: Gateway,
    collector: Mock,
    upstream: Mock,
    _folder: tempfile::TempDir,
}

impl World {
    fn start(instrumentations: &str) -> World {
        World::start_with(instrumentations, "off")
    }

    /// Without a database its entities come from a file; with one the gateway begins with none.
    fn start_with(instrumentations: &str, database: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("kong/plugins/tell-spans");
        std::fs::create_dir_all(&plugin).unwrap();
        std::fs::write(plugin.join("handler.lua"), PLUGIN).unwrap();
        std::fs::write(plugin.join("schema.lua"), SCHEMA).unwrap();
        let collector = Mock::start(|_| Answer::text(200, "ok"));
        let upstream = Mock::start(|_| Answer::text(201, "hello"));
        let yaml = json!({
            "_format_version": "3.0",
            "services": [{ "url": format!("http://localhost:{}", upstream.port),
                           "routes": [{ "paths": ["/traced"] }] }],
            "plugins": [{ "name": "tell-spans", "config": { "collector": collector.url() } },
                        { "name": "request-transformer", "config": { "add": { "headers": ["x-a:1"] } } }],
        });
        let setup = match database {
            "off" => Setup::declarative(yaml.to_string()),
            database => Setup::default().with("database", database),
        };
        let gateway = setup
            .with("plugins", "bundled,tell-spans")
            .with("lua_package_path", format!("{}/?.lua;;", folder.path().display()))
            .with("tracing_instrumentations", instrumentations)
            .with("tracing_sampling_rate", "1.0")
            .start();
        World { gateway, collector, upstream, _folder: folder }
    }

    /// Asks for a path, and what the collector was told of it.
    fn trace(&self, path: &str) -> (u16, Value) {
        let status = get(self.gateway.proxy, path, &[]).status;
        let told = self.collector.wait_for(|request| {
            request.target == "/spans"
                && serde_json::from_slice::<Value>(&request.body).is_ok_and(|told| told["uri"] == path)
        });
        (status, serde_json::from_slice(&told.expect("spans").body).unwrap())
    }
}

fn span<'a>(told: &'a Value, name: &str) -> &'a Value {
    let found = told["spans"].as_array().unwrap().iter().find(|span| span["name"] == name);
    found.unwrap_or_else(|| panic!("{name}: {told}"))
}

#[test]
fn a_request_has_a_root_span_and_those_of_its_steps() {
    let world = World::start("all");
    let (status, told) = world.trace("/traced?ask=1");
    assert_eq!((status, &told["tracer"]), (201, &json!("instrument")));
    let root = span(&told, "kong");
    let attributes = &root["attributes"];
    for (name, value) in [
        ("http.method", json!("GET")),
        ("http.url", json!("http://localhost/traced?ask=1")),
        ("http.host", json!("localhost")),
        ("http.flavor", json!("1.1")),
        ("http.status_code", json!(201)),
        ("http.route", json!("/traced")),
        ("net.peer.ip", json!("127.0.0.1")),
        ("http.client_ip", json!("127.0.0.1")),
    ] {
        assert_eq!(attributes[name], value, "{name}: {attributes}");
    }
    assert_eq!((&root["kind"], &root["parent"], &root["sampled"]), (&json!(2), &Value::Null, &json!(true)));
    let balancer = span(&told, "kong.balancer");
    assert_eq!(balancer["attributes"]["net.peer.name"], "localhost");
    assert_eq!(balancer["attributes"]["net.peer.port"], world.upstream.port);
    assert_eq!(balancer["attributes"]["try_count"], 1);
    let sent = &world.upstream.received()[0];
    assert_eq!(
        sent.field("x-parent"),
        balancer["id"].as_str(),
        "the id that went upstream is the balancer's"
    );
    for name in [
        "kong.router",
        "kong.balancer",
        "kong.dns",
        "kong.access.plugin.tell-spans",
        "kong.access.plugin.request-transformer",
        "kong.internal.request",
    ] {
        let one = span(&told, name);
        assert_eq!(one["trace"], root["trace"], "{name}");
        assert!(one["lasts"].as_f64().unwrap() >= 0.0, "{one}");
    }
    let asked = span(&told, "kong.internal.request");
    assert_eq!(asked["parent"], span(&told, "kong.access.plugin.tell-spans")["id"]);
    assert_eq!(asked["attributes"]["http.status_code"], 200);
    assert_eq!(span(&told, "kong.access.plugin.tell-spans")["parent"], root["id"]);
}

#[test]
fn a_plugin_that_throws_or_ends_the_request_has_its_span_ended() {
    let world = World::start("all");
    let (status, told) = world.trace("/traced?throw=1");
    assert_eq!(status, 500);
    let thrown = span(&told, "kong.access.plugin.tell-spans");
    assert_eq!(thrown["status"], 2);
    assert!(thrown["events"]["exception.message"].as_str().unwrap().contains("by request"), "{thrown}");
    assert_eq!(span(&told, "kong")["attributes"]["http.status_code"], 500);
    let (status, told) = world.trace("/traced?exit=1");
    assert_eq!((status, &span(&told, "kong")["attributes"]["http.status_code"]), (418, &json!(418)));
    assert_eq!(span(&told, "kong.access.plugin.tell-spans")["status"], Value::Null);
    // Nothing of an earlier request is left over.
    let count = |path: &str| world.trace(path).1["spans"].as_array().unwrap().len();
    assert_eq!(count("/traced?exit=2"), count("/traced?exit=3"));
}

#[test]
fn only_what_is_asked_for_is_traced() {
    let world = World::start("balancer");
    let (_, told) = world.trace("/traced");
    let names: Vec<&str> =
        told["spans"].as_array().unwrap().iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names, ["kong", "kong.balancer"]);

    let off = World::start("off");
    assert_eq!(off.trace("/traced").1, json!({ "tracer": "noop", "uri": "/traced", "spans": {} }));
}

#[test]
fn what_a_request_asks_the_database_has_spans() {
    let world = World::start_with("all", "sqlite");
    let made = |path: &str, body: Value| {
        let fields = [("Content-Type", "application/json")];
        let reply = request(world.gateway.admin, "POST", path, &fields, body.to_string().as_bytes());
        assert_eq!(reply.status, 201, "{path}: {}", reply.text());
    };
    let url = format!("http://localhost:{}", world.upstream.port);
    made("/services", json!({ "name": "s", "url": url }));
    made("/services/s/routes", json!({ "paths": ["/traced"] }));
    made("/plugins", json!({ "name": "tell-spans", "config": { "collector": world.collector.url() } }));
    made("/services/s/plugins", json!({ "name": "key-auth" }));
    made("/consumers", json!({ "username": "c" }));
    made("/consumers/c/key-auth", json!({ "key": "secret" }));
    let (status, told) = world.trace("/traced?apikey=secret");
    assert_eq!(status, 201);
    let asked = span(&told, "kong.database.query");
    assert_eq!(asked["attributes"]["db.system"], "sqlite");
    assert_eq!(asked["attributes"]["db.statement"], "SELECT keyauth_credentials");
    assert_eq!(asked["parent"], span(&told, "kong.access.plugin.key-auth")["id"]);
    // The second time it is in the cache.
    let (_, told) = world.trace("/traced?apikey=secret&again");
    let names: Vec<_> = told["spans"].as_array().unwrap().iter().map(|span| &span["name"]).collect();
    assert!(!names.contains(&&json!("kong.database.query")), "{names:?}");
}
