//! The bundled plugins: each loads, and does its main thing for a request.
//!
//! Ours, and, as a check of the runtime, Kong's own from a checkout of Kong. Those need `KONG_SOURCES`; plugins
//! whose rocks are not in `KONG_ROCKS` are left out and named.

mod cases;
mod configurations;

use crate::foreign_sources::{self, Table};
use crate::support::{Answer, Gateway, Mock, Received, Reply, Setup, Sink, get, request};
use cases::CASES;
use configurations::declarative;
use serde_json::{Value, json};
use std::path::Path;

/// What of Kong's tree plugins use besides their own folder.
const PARTS: [&str; 10] = [
    "kong/plugins",
    "kong/llm",
    "kong/include",
    "kong/tools/grpc.lua",
    "kong/tools/protobuf.lua",
    "kong/tools/aws_stream.lua",
    "kong/observability/logs.lua",
    "kong/observability/otlp",
    "kong/observability/tracing/propagation",
    "kong/observability/tracing/tracing_context.lua",
];

/// Plugins and what they need that Debian does not package.
const ROCKS: [(&str, &[&str]); 13] = [
    ("acme", &["resty.acme.client"]),
    ("ai-proxy", &["resty.gcp.request.credentials.accesstoken", "resty.jwt", "resty.aws"]),
    ("ai-request-transformer", &["resty.gcp.request.credentials.accesstoken", "resty.jwt", "resty.aws"]),
    ("ai-response-transformer", &["resty.gcp.request.credentials.accesstoken", "resty.jwt", "resty.aws"]),
    ("aws-lambda", &["resty.aws.raw-api.region_config_data"]),
    ("file-log", &["lua_system_constants"]),
    ("grpc-gateway", &["pb", "protoc", "lua_pack", "date"]),
    ("grpc-web", &["pb", "protoc", "lua_pack", "date"]),
    ("ldap-auth", &["lua_pack"]),
    ("opentelemetry", &["pb", "protoc", "lua_pack", "date"]),
    ("redirect", &["resty.ada", "ada"]),
    ("session", &["resty.session"]),
    ("syslog", &["lsyslog"]),
];

const SECRET: &str = "a secret of thirty-two characters";

/// A gateway with all plugins, and those who play the other parts.
struct World {
    gateway: Gateway,
    upstream: Mock,
    collector: Mock,
    tcp: Sink,
    udp: Sink,
    plugins: Vec<String>,
    file: std::path::PathBuf,
}

/// Cases that fail, and why.
const KNOWN: [(&str, &str); 0] = [];

/// The bundled plugins that the gateway has.
#[rustfmt::skip] // A table.
const OURS: [&str; 43] = [
    "acl", "acme", "ai-prompt-decorator", "ai-prompt-guard", "ai-prompt-template", "ai-proxy", "ai-request-transformer",
    "ai-response-transformer", "aws-lambda", "azure-functions", "basic-auth", "bot-detection", "correlation-id", "cors", "datadog",
    "file-log", "hmac-auth", "http-log", "ip-restriction", "jwt", "key-auth", "ldap-auth", "loggly", "oauth2", "opentelemetry", "post-function",
    "pre-function", "prometheus", "proxy-cache", "rate-limiting", "redirect", "request-size-limiting",
    "request-termination", "request-transformer", "response-ratelimiting", "response-transformer", "session",
    "standard-webhooks", "statsd", "syslog", "tcp-log", "udp-log", "zipkin",
];

#[test]
fn the_bundled_plugins_load_and_serve_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let bundled = |setup: Setup| setup.with("plugins", "bundled");
    let world = World::start(OURS.map(str::to_owned).to_vec(), bundled, folder.path());
    let enabled = get(world.gateway.admin, "/plugins/enabled", &[]).json();
    let mut enabled: Vec<String> = serde_json::from_value(enabled["enabled_plugins"].clone()).unwrap();
    enabled.sort();
    assert_eq!(enabled, OURS);
    world.check();
}

#[test]
fn kongs_own_plugins_load_and_serve_a_request() {
    let Some(kong) = foreign_sources::folder("KONG_SOURCES") else { return };
    let folder = tempfile::tempdir().unwrap();
    foreign_sources::link(&kong, &PARTS, folder.path());
    let rocks = foreign_sources::rocks();
    let plugins = at_hand(&kong, rocks.as_deref());
    let share = rocks.as_ref().map(|rocks| rocks.join("share"));
    let mut path = vec![folder.path()];
    path.extend(share.as_deref());
    let cpath = rocks.map_or_else(String::new, |rocks| format!("{}/?.so", rocks.join("lib").display()));
    let (list, path) = (plugins.join(","), foreign_sources::package_path(&path));
    let foreign = |setup: Setup| {
        setup.with("plugins", list).with("lua_package_path", path).with("lua_package_cpath", cpath)
    };
    World::start(plugins, foreign, folder.path()).check();
}

// ---- the world ------------------------------------------------------------------------------

impl World {
    fn start(plugins: Vec<String>, more: impl FnOnce(Setup) -> Setup, folder: &Path) -> World {
        let (tcp, udp) = (Sink::tcp(), Sink::udp());
        let (upstream, collector) = (Mock::start(upstream), Mock::start(collector));
        let file = folder.join("file.log");
        let ports =
            Ports { upstream: upstream.port, collector: collector.port, tcp: tcp.port, udp: udp.port };
        let setup = Setup::declarative(declarative(&plugins, &ports, &file).to_string());
        let gateway = more(setup)
            .with("nginx_main_worker_processes", "1")
            .with("tracing_instrumentations", "all")
            .with("tracing_sampling_rate", "1.0")
            .in_folder(folder)
            .start();
        World { gateway, upstream, collector, tcp, udp, plugins, file }
    }

    /// Has each plugin do its main thing.
    fn check(&self) {
        let mut table = Table::default();
        for (plugin, case) in CASES {
            if self.plugins.iter().any(|known| known == plugin) {
                table.add(plugin, case(self));
            }
        }
        table.finish(&KNOWN);
    }

    fn get(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        get(self.gateway.proxy, path, fields)
    }

    fn status(&self, path: &str, fields: &[(&str, &str)]) -> u16 {
        self.get(path, fields).status
    }

    fn post(&self, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        request(self.gateway.proxy, "POST", path, fields, body.as_bytes())
    }

    /// The last request that the upstream got on a route.
    fn upstream_got(&self, route: &str) -> Result<Received, String> {
        let start = format!("/{route}");
        let got = self.upstream.received().into_iter().rfind(|request| request.target.starts_with(&start));
        got.ok_or_else(|| format!("nothing came upstream of {start}"))
    }
}

/// The plugins of the checkout whose rocks are at hand; the others are named.
fn at_hand(kong: &Path, rocks: Option<&Path>) -> Vec<String> {
    let entries = std::fs::read_dir(kong.join("kong/plugins")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.retain(|name| {
        let needed = ROCKS.iter().find(|(plugin, _)| plugin == name).map_or(&[][..], |(_, needed)| needed);
        let absent = needed.iter().find(|rock| !rocks.is_some_and(|rocks| is_there(rocks, rock)));
        if let Some(absent) = absent {
            eprintln!("{name}: left out, since the rock with {absent} is not at hand");
        }
        absent.is_none()
    });
    names
}

fn is_there(rocks: &Path, module: &str) -> bool {
    let stem = module.replace('.', "/");
    [format!("share/{stem}.lua"), format!("share/{stem}/init.lua"), format!("lib/{stem}.so")]
        .iter()
        .any(|file| rocks.join(file).exists())
}

struct Ports {
    upstream: u16,
    collector: u16,
    tcp: u16,
    udp: u16,
}

fn upstream(request: &Received) -> Answer {
    let fields: serde_json::Map<String, Value> =
        request.fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let mut answer = Answer::json(
        200,
        &json!({"target": request.target, "headers": fields, "body": request.text(), "drop": "me"}),
    );
    if request.target.starts_with("/response-ratelimiting") {
        answer.fields.push(("X-Kong-Limit", "video=1".to_owned()));
    }
    answer
}

/// Takes logs and traces, and is the language model.
fn collector(request: &Received) -> Answer {
    if !request.target.starts_with("/llm") {
        return Answer::json(200, &json!({}));
    }
    Answer::json(
        200,
        &json!({
            "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": "the model's words"}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        }),
    )
}
