//! Kong's own plugins from a checkout of Kong, in front of ours: a check of the runtime.
//!
//! Each loads, and does its main thing for a request. Needs `KONG_SOURCES`; plugins whose rocks are not in
//! `KONG_ROCKS` are left out and named.

use crate::foreign_sources::{self, Table, demand, expect};
use crate::support::{Answer, Gateway, Mock, Received, Reply, Setup, Sink, get, request};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

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
    ("grpc-gateway", &["pb", "protoc"]),
    ("grpc-web", &["pb", "protoc"]),
    ("ldap-auth", &["lua_pack"]),
    ("opentelemetry", &["pb", "protoc"]),
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

type Outcome = Result<(), String>;
type Case = (&'static str, fn(&World) -> Outcome);

#[rustfmt::skip] // A table.
const CASES: [Case; 40] = [
    ("acl", acl), ("basic-auth", basic_auth), ("hmac-auth", hmac_auth), ("jwt", jwt), ("key-auth", key_auth),
    ("oauth2", oauth2), ("ldap-auth", ldap_auth), ("session", session), ("ip-restriction", ip_restriction),
    ("bot-detection", bot_detection), ("request-size-limiting", request_size), ("rate-limiting", rate_limiting),
    ("response-ratelimiting", response_ratelimiting), ("proxy-cache", proxy_cache), ("http-log", http_log),
    ("tcp-log", tcp_log), ("udp-log", udp_log), ("file-log", file_log), ("syslog", syslog), ("loggly", loggly),
    ("statsd", statsd), ("datadog", datadog), ("prometheus", prometheus), ("zipkin", zipkin),
    ("opentelemetry", opentelemetry), ("correlation-id", correlation_id),
    ("request-transformer", request_transformer), ("response-transformer", response_transformer),
    ("request-termination", request_termination), ("cors", cors), ("pre-function", pre_function),
    ("post-function", post_function), ("standard-webhooks", standard_webhooks), ("redirect", redirect),
    ("ai-prompt-guard", ai_prompt_guard), ("ai-prompt-decorator", ai_prompt_decorator),
    ("ai-prompt-template", ai_prompt_template), ("ai-proxy", ai_proxy),
    ("ai-request-transformer", ai_request_transformer), ("ai-response-transformer", ai_response_transformer),
];

/// Cases that fail, and why.
const KNOWN: [(&str, &str); 1] = [("opentelemetry", "kong.tracing makes no root span for a request yet")];

#[test]
fn kongs_own_plugins_load_and_serve_a_request() {
    let Some(kong) = foreign_sources::folder("KONG_SOURCES") else { return };
    let folder = tempfile::tempdir().unwrap();
    foreign_sources::link(&kong, &PARTS, folder.path());
    let world = World::start(&kong, folder.path());
    let mut table = Table::default();
    for (plugin, case) in CASES {
        if world.plugins.iter().any(|known| known == plugin) {
            table.add(plugin, case(&world));
        }
    }
    table.finish(&KNOWN);
}

// ---- the world ------------------------------------------------------------------------------

impl World {
    fn start(kong: &Path, folder: &Path) -> World {
        let rocks = foreign_sources::rocks();
        let plugins = at_hand(kong, rocks.as_deref());
        let (tcp, udp) = (Sink::tcp(), Sink::udp());
        let (upstream, collector) = (Mock::start(upstream), Mock::start(collector));
        let file = folder.join("file.log");
        let share = rocks.as_ref().map(|rocks| rocks.join("share"));
        let mut path = vec![folder];
        path.extend(share.as_deref());
        let cpath = rocks.map_or_else(String::new, |rocks| format!("{}/?.so", rocks.join("lib").display()));
        let ports =
            Ports { upstream: upstream.port, collector: collector.port, tcp: tcp.port, udp: udp.port };
        let gateway = Setup::declarative(declarative(&plugins, &ports, &file).to_string())
            .with("plugins", plugins.join(","))
            .with("lua_package_path", foreign_sources::package_path(&path))
            .with("lua_package_cpath", cpath)
            .with("nginx_main_worker_processes", "1")
            .with("tracing_instrumentations", "all")
            .with("tracing_sampling_rate", "1.0")
            .in_folder(folder)
            .start();
        World { gateway, upstream, collector, tcp, udp, plugins, file }
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

/// A route for each plugin, with the plugin on it.
fn declarative(plugins: &[String], ports: &Ports, file: &Path) -> Value {
    let routes: Vec<Value> = configurations(ports, file)
        .into_iter()
        .filter(|(names, _)| names.iter().all(|(name, _)| plugins.iter().any(|known| known == name)))
        .map(|(list, path)| {
            let list: Vec<Value> =
                list.into_iter().map(|(name, config)| json!({"name": name, "config": config})).collect();
            json!({"name": path, "paths": [format!("/{path}")], "strip_path": false, "plugins": list})
        })
        .collect();
    json!({
        "_format_version": "3.0",
        "services": [{"name": "s", "url": format!("http://127.0.0.1:{}", ports.upstream), "routes": routes}],
        "consumers": [
            {"username": "bob", "custom_id": "b", "acls": [{"group": "members"}],
             "keyauth_credentials": [{"key": "bobs"}],
             "basicauth_credentials": [{"username": "bob", "password": "pass"}],
             "hmacauth_credentials": [{"username": "bob", "secret": SECRET}],
             "jwt_secrets": [{"key": "issuer", "secret": SECRET, "algorithm": "HS256"}],
             "oauth2_credentials": [{"name": "app", "client_id": "app", "client_secret": "x",
                 "redirect_uris": ["http://example.com/"],
                 "oauth2_tokens": [{"access_token": "token-of-bob", "expires_in": 0, "scope": "read"}]}]},
            {"username": "eve", "keyauth_credentials": [{"key": "eves"}]},
            {"username": "anonymous"},
        ],
    })
}

type Configured = (Vec<(&'static str, Value)>, &'static str);

fn configurations(ports: &Ports, file: &Path) -> Vec<Configured> {
    let one = |name: &'static str, config: Value| (vec![(name, config)], name);
    let (tcp, udp) = (ports.tcp, ports.udp);
    let collector = format!("http://127.0.0.1:{}", ports.collector);
    let mut all = vec![
        (vec![("key-auth", json!({})), ("acl", json!({"allow": ["members"]}))], "acl"),
        one("basic-auth", json!({"hide_credentials": true})),
        one("hmac-auth", json!({"enforce_headers": ["date"], "validate_request_body": true})),
        one("jwt", json!({"claims_to_verify": ["exp"]})),
        one("key-auth", json!({"key_names": ["apikey"]})),
        one(
            "oauth2",
            json!({"enable_client_credentials": true, "accept_http_if_already_terminated": true,
            "scopes": ["read"], "global_credentials": true}),
        ),
        one(
            "ldap-auth",
            json!({"ldap_host": "127.0.0.1", "ldap_port": ldap_server(), "base_dn": "dc=x",
            "attribute": "cn"}),
        ),
        (
            vec![
                ("session", json!({"secret": SECRET, "cookie_secure": false, "storage": "cookie"})),
                ("key-auth", json!({"anonymous": "anonymous"})),
            ],
            "session",
        ),
        one("ip-restriction", json!({"deny": ["127.0.0.0/8"]})),
        one("bot-detection", json!({"deny": ["evilbot"]})),
        one("request-size-limiting", json!({"allowed_payload_size": 10, "size_unit": "bytes"})),
        one("rate-limiting", json!({"hour": 2, "policy": "local"})),
        one("response-ratelimiting", json!({"policy": "local", "limits": {"video": {"hour": 1}}})),
        one("proxy-cache", json!({"strategy": "memory", "content_type": ["application/json"]})),
        one("http-log", json!({"http_endpoint": format!("{collector}/http-log")})),
        one("tcp-log", json!({"host": "127.0.0.1", "port": tcp})),
        one("udp-log", json!({"host": "127.0.0.1", "port": udp})),
        one("file-log", json!({"path": file.display().to_string()})),
        one("syslog", json!({})),
        one(
            "loggly",
            json!({"key": "loggly-key", "host": "127.0.0.1", "port": udp, "log_level": "debug",
            "successful_severity": "debug"}),
        ),
        one("statsd", json!({"host": "127.0.0.1", "port": udp, "prefix": "stats"})),
        one("datadog", json!({"host": "127.0.0.1", "port": udp, "prefix": "dog"})),
        one("prometheus", json!({"status_code_metrics": true, "latency_metrics": true})),
        one("zipkin", json!({"http_endpoint": format!("{collector}/zipkin"), "sample_ratio": 1})),
        one("opentelemetry", json!({"traces_endpoint": format!("{collector}/otel")})),
        one(
            "correlation-id",
            json!({"header_name": "X-Correlation", "generator": "uuid",
            "echo_downstream": true}),
        ),
        one("request-transformer", json!({"add": {"headers": ["X-Added:yes"], "querystring": ["q:1"]}})),
        one(
            "response-transformer",
            json!({"remove": {"json": ["drop"]}, "add": {"headers": ["X-More:here"]}}),
        ),
        one("request-termination", json!({"status_code": 418, "message": "short and stout"})),
        one("cors", json!({"origins": ["http://friend.test"]})),
        one("pre-function", json!({"access": ["kong.response.exit(202, 'from a function')"]})),
        one("post-function", json!({"header_filter": ["kong.response.set_header('X-Post', 'yes')"]})),
        one("standard-webhooks", json!({"secret_v1": SECRET})),
        one("redirect", json!({"location": "http://elsewhere.test/", "status_code": 302})),
    ];
    all.extend(model_configurations(&format!("{collector}/llm")));
    all
}

/// Plugins around a language model.
fn model_configurations(url: &str) -> Vec<Configured> {
    let model = json!({"route_type": "llm/v1/chat", "auth": {"header_name": "Authorization",
        "header_value": "Bearer key"}, "logging": {"log_statistics": false},
        "model": {"provider": "openai", "name": "m", "options": {"upstream_url": url}}});
    let transform = json!({"prompt": "transform it", "llm": model});
    vec![
        (vec![("ai-proxy", model.clone())], "ai-proxy"),
        (vec![("ai-prompt-guard", json!({"deny_patterns": [".*bomb.*"]}))], "ai-prompt-guard"),
        (
            vec![(
                "ai-prompt-decorator",
                json!({"prompts": {"prepend": [{"role": "system",
            "content": "be brief"}]}}),
            )],
            "ai-prompt-decorator",
        ),
        (
            vec![(
                "ai-prompt-template",
                json!({"templates": [{"name": "t",
            "template": "{\"messages\": [{\"role\": \"user\", \"content\": \"about {{thing}}\"}]}"}]}),
            )],
            "ai-prompt-template",
        ),
        (vec![("ai-request-transformer", transform.clone())], "ai-request-transformer"),
        (vec![("ai-response-transformer", transform)], "ai-response-transformer"),
    ]
}

/// A directory that lets everybody in (RFC 4511, 4.2.2): any bind request succeeds.
fn ldap_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut message = [0; 1024];
                while let Ok(count @ 5..) = stream.read(&mut message) {
                    // a password of "wrong" gets invalidCredentials
                    let code = if message[..count].windows(5).any(|w| w == b"wrong") { 49 } else { 0 };
                    let answer =
                        [0x30, 0x0c, 0x02, 0x01, message[4], 0x61, 0x07, 0x0a, 0x01, code, 4, 0, 4, 0];
                    if stream.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

// ---- authentication -------------------------------------------------------------------------

fn base64(text: impl AsRef<[u8]>) -> String {
    general_purpose::STANDARD.encode(text)
}

fn hmac_sha256(text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn consumer_of(world: &World, route: &str) -> Outcome {
    let got = world.upstream_got(route)?;
    expect("consumer upstream", got.field("x-consumer-username"), Some("bob"))
}

fn acl(world: &World) -> Outcome {
    expect("member", world.status("/acl", &[("apikey", "bobs")]), 200)?;
    expect("groups upstream", world.upstream_got("acl")?.field("x-consumer-groups"), Some("members"))?;
    let stranger = world.get("/acl", &[("apikey", "eves")]);
    expect("stranger", stranger.status, 403)?;
    expect("message", stranger.json()["message"].as_str(), Some("You cannot consume this service"))
}

fn basic_auth(world: &World) -> Outcome {
    let anonymous = world.get("/basic-auth", &[]);
    expect("without", anonymous.status, 401)?;
    demand(anonymous.field("WWW-Authenticate").is_some_and(|v| v.starts_with("Basic")), "no challenge")?;
    let wrong = format!("Basic {}", base64("bob:wrong"));
    expect("wrong", world.status("/basic-auth", &[("Authorization", &wrong)]), 401)?;
    let right = format!("Basic {}", base64("bob:pass"));
    expect("right", world.status("/basic-auth", &[("Authorization", &right)]), 200)?;
    expect("hidden", world.upstream_got("basic-auth")?.field("authorization"), None)?;
    consumer_of(world, "basic-auth")
}

fn hmac_auth(world: &World) -> Outcome {
    let date = httpdate();
    let signature = base64(hmac_sha256(&format!("date: {date}")));
    let header = |signature: &str| {
        format!(
            "hmac username=\"bob\", algorithm=\"hmac-sha256\", headers=\"date\", signature=\"{signature}\""
        )
    };
    let right = header(&signature);
    expect("right", world.status("/hmac-auth", &[("Date", &date), ("Authorization", &right)]), 200)?;
    let wrong = header(&base64("no"));
    expect("wrong", world.status("/hmac-auth", &[("Date", &date), ("Authorization", &wrong)]), 401)?;
    consumer_of(world, "hmac-auth")
}

/// The present in the form of RFC 9110, 5.6.7.
fn httpdate() -> String {
    let reply = get(crate::support::Upstream::start().port, "/", &[]);
    reply.field("date").expect("a date").to_owned()
}

fn jwt(world: &World) -> Outcome {
    let part = |value: Value| general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = |expiry: u64| {
        let head = part(json!({"alg": "HS256", "typ": "JWT"}));
        format!("{head}.{}", part(json!({"iss": "issuer", "exp": expiry})))
    };
    let token = |expiry: u64| {
        let claims = claims(expiry);
        let signature = general_purpose::URL_SAFE_NO_PAD.encode(hmac_sha256(&claims));
        format!("Bearer {claims}.{signature}")
    };
    expect("right", world.status("/jwt", &[("Authorization", &token(now() + 60))]), 200)?;
    expect("expired", world.status("/jwt", &[("Authorization", &token(now() - 60))]), 401)?;
    let altered = format!("Bearer {}.AAAA", claims(now() + 60));
    expect("altered", world.status("/jwt", &[("Authorization", &altered)]), 401)?;
    consumer_of(world, "jwt")
}

fn key_auth(world: &World) -> Outcome {
    expect("without", world.status("/key-auth", &[]), 401)?;
    expect("in the query", world.status("/key-auth?apikey=bobs", &[]), 200)?;
    consumer_of(world, "key-auth")
}

fn oauth2(world: &World) -> Outcome {
    expect("without", world.status("/oauth2", &[]), 401)?;
    expect("wrong", world.status("/oauth2", &[("Authorization", "bearer nothing")]), 401)?;
    expect("right", world.status("/oauth2", &[("Authorization", "bearer token-of-bob")]), 200)?;
    expect("scope", world.upstream_got("oauth2")?.field("x-authenticated-scope"), Some("read"))?;
    consumer_of(world, "oauth2")
}

fn ldap_auth(world: &World) -> Outcome {
    let header = |password: &str| format!("ldap {}", base64(format!("ann:{password}")));
    expect("without", world.status("/ldap-auth", &[]), 401)?;
    expect("wrong", world.status("/ldap-auth", &[("Authorization", &header("wrong"))]), 401)?;
    expect("right", world.status("/ldap-auth", &[("Authorization", &header("right"))]), 200)?;
    expect("name", world.upstream_got("ldap-auth")?.field("x-credential-identifier"), Some("ann"))
}

fn session(world: &World) -> Outcome {
    let first = world.get("/session", &[("apikey", "bobs")]);
    expect("with the key", first.status, 200)?;
    let cookie = first.field("Set-Cookie").ok_or("no cookie")?;
    let cookie = cookie.split(';').next().unwrap_or_default();
    expect("with the cookie", world.status("/session", &[("Cookie", cookie)]), 200)?;
    consumer_of(world, "session")?;
    expect("with neither", world.status("/session", &[]), 200)?;
    let name = world.upstream_got("session")?;
    expect("consumer upstream", name.field("x-consumer-username"), Some("anonymous"))
}

// ---- limits ---------------------------------------------------------------------------------

fn ip_restriction(world: &World) -> Outcome {
    let reply = world.get("/ip-restriction", &[]);
    expect("status", reply.status, 403)?;
    demand(reply.text().contains("IP address not allowed: 127.0.0.1"), reply.text())
}

fn bot_detection(world: &World) -> Outcome {
    expect("bot", world.status("/bot-detection", &[("User-Agent", "evilbot/1")]), 403)?;
    expect("browser", world.status("/bot-detection", &[("User-Agent", "Mozilla/5.0")]), 200)
}

fn request_size(world: &World) -> Outcome {
    expect("small", world.post("/request-size-limiting", &[], "123").status, 200)?;
    expect("large", world.post("/request-size-limiting", &[], "12345678901").status, 413)
}

fn rate_limiting(world: &World) -> Outcome {
    let first = world.get("/rate-limiting", &[]);
    expect("first", first.status, 200)?;
    expect("limit", first.field("RateLimit-Limit"), Some("2"))?;
    expect("remaining", first.field("X-RateLimit-Remaining-Hour"), Some("1"))?;
    // what a request has used is counted after its response
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        let later = world.get("/rate-limiting", &[]);
        if later.status == 429 {
            return expect("message", later.json()["message"].as_str(), Some("API rate limit exceeded"));
        }
        demand(std::time::Instant::now() < deadline, "the limit is never reached")?;
    }
}

fn response_ratelimiting(world: &World) -> Outcome {
    let first = world.get("/response-ratelimiting", &[]);
    expect("first", first.status, 200)?;
    expect("remaining", first.field("X-RateLimit-Remaining-Video-Hour"), Some("0"))?;
    let used = |world: &World| world.status("/response-ratelimiting", &[]) == 429;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !used(world) {
        demand(std::time::Instant::now() < deadline, "the limit is never reached")?;
    }
    Ok(())
}

fn proxy_cache(world: &World) -> Outcome {
    let state = || world.get("/proxy-cache", &[]).field("X-Cache-Status").map(str::to_owned);
    expect("first", state().as_deref(), Some("Miss"))?;
    expect("second", state().as_deref(), Some("Hit"))
}

// ---- logs, metrics, traces ------------------------------------------------------------------

fn is_log_of(text: &str, route: &str) -> Outcome {
    let entry: Value = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
    let entry = if entry.is_array() { entry[0].clone() } else { entry };
    expect("uri", entry["request"]["uri"].as_str(), Some(format!("/{route}").as_str()))?;
    expect("status", entry["response"]["status"].as_u64(), Some(200))
}

fn http_log(world: &World) -> Outcome {
    world.get("/http-log", &[]);
    let sent = world.collector.wait_for(|request| request.target == "/http-log");
    is_log_of(&sent.ok_or("no log came")?.text(), "http-log")
}

fn tcp_log(world: &World) -> Outcome {
    world.get("/tcp-log", &[]);
    demand(world.tcp.got("\"uri\":\"\\/tcp-log\""), world.tcp.text())
}

fn udp_log(world: &World) -> Outcome {
    world.get("/udp-log", &[]);
    demand(world.udp.got("\"uri\":\"\\/udp-log\""), world.udp.text())
}

fn file_log(world: &World) -> Outcome {
    world.get("/file-log", &[]);
    let read = || std::fs::read_to_string(&world.file).unwrap_or_default();
    world.gateway.eventually("the log file", |_| read().ends_with('\n'));
    is_log_of(read().trim_end(), "file-log")
}

fn syslog(world: &World) -> Outcome {
    expect("status", world.status("/syslog", &[]), 200)
}

fn loggly(world: &World) -> Outcome {
    world.get("/loggly", &[]);
    demand(world.udp.got("[loggly-key@41058"), world.udp.text())
}

fn statsd(world: &World) -> Outcome {
    world.get("/statsd", &[]);
    demand(world.udp.got("stats.service.s.request.count:1|c"), world.udp.text())
}

fn datadog(world: &World) -> Outcome {
    world.get("/datadog", &[]);
    demand(world.udp.got("dog.request.count:1|c|#name:s,status:200"), world.udp.text())
}

fn prometheus(world: &World) -> Outcome {
    world.get("/prometheus", &[]);
    let wanted = "kong_http_requests_total{service=\"s\",route=\"prometheus\",code=\"200\"";
    for port in [world.gateway.admin, world.gateway.status] {
        let found = || get(port, "/metrics", &[]).text();
        let mut text = found();
        for _ in 0..100 {
            if text.contains(wanted) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
            text = found();
        }
        demand(text.contains(wanted), text)?;
    }
    Ok(())
}

fn zipkin(world: &World) -> Outcome {
    world.get("/zipkin", &[]);
    let trace =
        world.upstream_got("zipkin")?.field("x-b3-traceid").map(str::to_owned).ok_or("no trace id")?;
    let tells =
        |sent: &Received| sent.target == "/zipkin" && sent.text().contains("\"http.path\":\"\\/zipkin\"");
    let sent = world.collector.wait_for(tells).ok_or("no span of the request came")?;
    let spans: Value = serde_json::from_str(&sent.text()).map_err(|error| error.to_string())?;
    expect("trace", spans[0]["traceId"].as_str(), Some(trace.as_str()))
}

fn opentelemetry(world: &World) -> Outcome {
    world.get("/opentelemetry", &[]);
    demand(world.upstream_got("opentelemetry")?.field("traceparent").is_some(), "no traceparent upstream")?;
    let sent = world.collector.wait_for(|request| request.target == "/otel").ok_or("no spans came")?;
    expect("type", sent.field("content-type"), Some("application/x-protobuf"))?;
    demand(sent.text().contains("service.name"), "the spans name no service")
}

// ---- transformation and traffic -------------------------------------------------------------

fn correlation_id(world: &World) -> Outcome {
    let reply = world.get("/correlation-id", &[]);
    let id = reply.field("X-Correlation").map(str::to_owned);
    demand(id.is_some(), "no id downstream")?;
    expect("upstream", world.upstream_got("correlation-id")?.field("x-correlation"), id.as_deref())
}

fn request_transformer(world: &World) -> Outcome {
    world.get("/request-transformer", &[]);
    let got = world.upstream_got("request-transformer")?;
    expect("header", got.field("x-added"), Some("yes"))?;
    expect("target", got.target.as_str(), "/request-transformer?q=1")
}

fn response_transformer(world: &World) -> Outcome {
    let reply = world.get("/response-transformer", &[]);
    expect("header", reply.field("X-More"), Some("here"))?;
    let body = reply.json();
    demand(body.get("drop").is_none() && body.get("target").is_some(), body.to_string())
}

fn request_termination(world: &World) -> Outcome {
    let reply = world.get("/request-termination", &[]);
    expect("status", reply.status, 418)?;
    expect("message", reply.json()["message"].as_str(), Some("short and stout"))
}

fn cors(world: &World) -> Outcome {
    let fields = [("Origin", "http://friend.test"), ("Access-Control-Request-Method", "PUT")];
    let preflight = request(world.gateway.proxy, "OPTIONS", "/cors", &fields, b"");
    expect("status", preflight.status, 200)?;
    expect("origin", preflight.field("Access-Control-Allow-Origin"), Some("http://friend.test"))
}

fn pre_function(world: &World) -> Outcome {
    let reply = world.get("/pre-function", &[]);
    expect("answer", (reply.status, reply.text().as_str()), (202, "from a function"))
}

fn post_function(world: &World) -> Outcome {
    expect("header", world.get("/post-function", &[]).field("X-Post"), Some("yes"))
}

fn standard_webhooks(world: &World) -> Outcome {
    let (time, body) = (now().to_string(), "{\"event\":1}");
    let signature = format!("v1,{}", base64(hmac_sha256(&format!("msg.{time}.{body}"))));
    let send = |signature: &str| {
        let fields =
            [("webhook-id", "msg"), ("webhook-timestamp", time.as_str()), ("webhook-signature", signature)];
        world.post("/standard-webhooks", &fields, body).status
    };
    expect("right", send(&signature), 200)?;
    expect("wrong", send("v1,AAAA"), 400)
}

fn redirect(world: &World) -> Outcome {
    let reply = world.get("/redirect", &[]);
    expect("status", reply.status, 302)?;
    expect("location", reply.field("Location"), Some("http://elsewhere.test/"))
}

// ---- language models ------------------------------------------------------------------------

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn chat(text: &str) -> String {
    json!({"messages": [{"role": "user", "content": text}]}).to_string()
}

fn ai_prompt_guard(world: &World) -> Outcome {
    let ask = |text: &str| world.post("/ai-prompt-guard", &[JSON], &chat(text)).status;
    expect("harmless", ask("a cake"), 200)?;
    expect("denied", ask("a bomb"), 400)
}

fn ai_prompt_decorator(world: &World) -> Outcome {
    expect("status", world.post("/ai-prompt-decorator", &[JSON], &chat("hello")).status, 200)?;
    let got = world.upstream_got("ai-prompt-decorator")?;
    let body: Value = serde_json::from_str(&got.text()).map_err(|error| error.to_string())?;
    expect("prompt", body["messages"][0]["content"].as_str(), Some("be brief"))
}

fn ai_prompt_template(world: &World) -> Outcome {
    let body = json!({"messages": "{template://t}", "properties": {"thing": "cakes"}}).to_string();
    expect("status", world.post("/ai-prompt-template", &[JSON], &body).status, 200)?;
    let got = world.upstream_got("ai-prompt-template")?;
    demand(got.text().contains("about cakes"), got.text())
}

fn ai_proxy(world: &World) -> Outcome {
    let reply = world.post("/ai-proxy", &[JSON], &chat("hello"));
    expect("status", reply.status, 200)?;
    expect("answer", reply.json()["choices"][0]["message"]["content"].as_str(), Some("the model's words"))?;
    let asked =
        world.collector.wait_for(|request| request.target == "/llm").ok_or("the model was not asked")?;
    expect("key", asked.field("authorization"), Some("Bearer key"))
}

fn ai_request_transformer(world: &World) -> Outcome {
    expect("status", world.post("/ai-request-transformer", &[JSON], "{\"a\":1}").status, 200)?;
    expect("body", world.upstream_got("ai-request-transformer")?.text().as_str(), "the model's words")
}

fn ai_response_transformer(world: &World) -> Outcome {
    let reply = world.post("/ai-response-transformer", &[JSON], "{\"a\":1}");
    expect("answer", (reply.status, reply.text().as_str()), (200, "the model's words"))
}
