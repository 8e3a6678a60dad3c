//! Published plugins, unmodified, from the folder that `PUBLISHED_PLUGINS` names: each does what its own
//! documents promise.
//!
//! The commits the scenarios were written for stand in [`PLUGINS`].

use crate::foreign_sources::{self, Table, demand, expect};
use crate::support::{Answer, Gateway, Mock, Received, Redis, Reply, Setup, get, request};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::{Engine as _, engine::general_purpose};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Outcome = Result<(), String>;

/// A plugin: its repository's name, the commit, its own name, its scenario.
type Row = (&'static str, &'static str, &'static str, fn(&Sources) -> Outcome);

#[rustfmt::skip] // A table.
const PLUGINS: [Row; 12] = [
    ("kong-plugin", "f7a85cbc25137c8db5779912d42bda76d895e95b", "myplugin", myplugin),
    ("kong-host-interpolate-by-header", "8938f91b5b68c644851fd4953741e62f5c76a70c",
     "host-interpolate-by-header", host_interpolate),
    ("kong-circuit-breaker", "70e88010c4ba91f0d58413be82e73c9993a100e0", "circuit-breaker", circuit_breaker),
    ("kong-plugin-url-rewrite", "bb14b1a9f31e8127f7e49e18bfdfa6dc7f22aac2", "url-rewrite", url_rewrite),
    ("kong-plugin-jwt-keycloak", "523e85c33286f04fa20b10fd7e20cc5f41365581", "jwt-keycloak", jwt_keycloak),
    ("kong-proxy-cache-redis-plugin", "695cc0d6a524cde2bfc09374bcf8a400d8c2de5a",
     "proxy-cache-redis", proxy_cache_redis),
    ("kong-authz-openfga", "c3f602c503ac5c5441b87d0658341e03c169e96f", "kong-authz-openfga", authz_openfga),
    ("kong-plugin-referer", "669a8b695a9ce86705e9dc3e15385d66584a026e", "referer", referer),
    ("kong-plugin-upstream-basic-auth", "19fd7e88f9ad4403ad7897c852cee425e1365786",
     "upstream-basic-auth", upstream_basic_auth),
    ("kong-plugin-template-transformer", "f5ee2802694d375754b695ef5ca80abdf1c6cf1d",
     "template-transformer", template_transformer),
    ("kong-plugin-ddtrace", "74bebfd7a0c1eadd43cefa8b158b7a1c8e78bf1b", "ddtrace", ddtrace),
    ("kong-plugin-openwhisk", "6cd17a282123977f1f5af478c0fa57b40bbf76d4", "openwhisk", openwhisk),
];

/// Cases that fail, and why.
const KNOWN: [(&str, &str); 0] = [];

#[test]
fn published_plugins_do_what_their_documents_promise() {
    let Some(folder) = foreign_sources::folder("PUBLISHED_PLUGINS") else { return };
    let mut table = Table::default();
    for (repository, _commit, plugin, scenario) in PLUGINS {
        let checkout = folder.join(repository);
        if !checkout.is_dir() {
            eprintln!("{repository}: left out, since it is not in {}", folder.display());
            continue;
        }
        let sources = Sources::of(&checkout, plugin);
        table.add(repository, scenario(&sources));
    }
    table.finish(&KNOWN);
}

// ---- a gateway with a plugin ----------------------------------------------------------------

/// Where a plugin and its rocks are.
struct Sources {
    plugin: &'static str,
    modules: tempfile::TempDir,
    rocks: Option<PathBuf>,
}

impl Sources {
    /// A checkout that has the tree that `require` wants, or `src/` in its place.
    fn of(checkout: &Path, plugin: &'static str) -> Sources {
        let modules = tempfile::tempdir().unwrap();
        let plugins = modules.path().join("kong/plugins");
        std::fs::create_dir_all(&plugins).unwrap();
        let named = checkout.join("kong/plugins");
        let source = [named.join(plugin), checkout.join("src")];
        let source = source.iter().find(|folder| folder.is_dir()).expect("the plugin's folder");
        symlink(source, plugins.join(plugin)).unwrap();
        Sources { plugin, modules, rocks: foreign_sources::rocks() }
    }

    fn setup(&self, yaml: &Value) -> Setup {
        let share = self.rocks.as_ref().map(|rocks| rocks.join("share"));
        let mut path = vec![self.modules.path()];
        path.extend(share.as_deref());
        Setup::declarative(yaml.to_string())
            .with("plugins", format!("bundled,{}", self.plugin))
            .with("lua_package_path", foreign_sources::package_path(&path))
            .with("nginx_main_worker_processes", "1")
    }

    /// A gateway with the plugin on a route `/` to an upstream.
    fn start(&self, upstream: &Mock, config: Value) -> Gateway {
        self.setup(&self.yaml(upstream, config)).start()
    }

    fn yaml(&self, upstream: &Mock, config: Value) -> Value {
        self.yaml_at(upstream, "/", config)
    }

    fn yaml_at(&self, upstream: &Mock, path: &str, config: Value) -> Value {
        json!({
            "_format_version": "3.0",
            "services": [{"name": "s", "url": upstream.url(), "routes": [{"name": "r", "paths": [path]}]}],
            "plugins": [{"name": self.plugin, "route": "r", "config": config}],
        })
    }

    /// What the start says against a configuration.
    fn refusal(&self, upstream: &Mock, config: Value) -> String {
        let (_gateway, output) = self.setup(&self.yaml(upstream, config)).try_start();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

fn echo(request: &Received) -> Answer {
    let fields: serde_json::Map<String, Value> =
        request.fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    Answer::json(200, &json!({"target": request.target, "headers": fields, "body": request.text()}))
}

fn last(mock: &Mock) -> Result<Received, String> {
    mock.received().pop().ok_or_else(|| "nothing came upstream".to_owned())
}

fn message(reply: &Reply) -> String {
    reply.json()["message"].as_str().unwrap_or_default().to_owned()
}

/// Asks until an answer has a status, up to ten seconds.
fn until(status: u16, mut ask: impl FnMut() -> u16) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let got = ask();
        if got == status {
            return Ok(());
        }
        demand(Instant::now() < deadline, format!("{got} instead of {status}"))?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

// ---- scenarios ------------------------------------------------------------------------------

fn myplugin(sources: &Sources) -> Outcome {
    let upstream = Mock::start(echo);
    let gateway =
        sources.start(&upstream, json!({"request_header": "X-A", "response_header": "X-B", "ttl": 600}));
    let reply = get(gateway.proxy, "/", &[]);
    expect("response", reply.field("X-B"), Some("this is on the response"))?;
    expect("request", last(&upstream)?.field("x-a"), Some("this is on a request"))?;
    let said = sources.refusal(&upstream, json!({"request_header": "X-A", "response_header": "X-A"}));
    demand(said.contains("values of these fields must be distinct"), said)
}

fn host_interpolate(sources: &Sources) -> Outcome {
    let (upstream, other) = (Mock::start(echo), Mock::start(echo));
    let config = |fallback: Option<&str>| {
        let mut config = json!({"host": "127.0.0.<zone>", "headers": ["zone"], "port": other.port,
            "operation": "modulo", "modulo_by": 2});
        if let Some(fallback) = fallback {
            config["fallback_host"] = json!(fallback);
        }
        config
    };
    let gateway = sources.start(&upstream, config(None));
    // 7 modulo 2 is 1, and the other upstream listens on 127.0.0.1
    expect("zone", get(gateway.proxy, "/", &[("zone", "7")]).status, 200)?;
    expect("target", (upstream.received().len(), other.received().len()), (0, 1))?;
    expect("without", get(gateway.proxy, "/", &[]).status, 422)?;
    let gateway = sources.start(&upstream, config(Some("127.0.0.1")));
    expect("fallback", get(gateway.proxy, "/", &[]).status, 200)?;
    expect("fallback target", other.received().len(), 2)
}

fn circuit_breaker(sources: &Sources) -> Outcome {
    let upstream = Mock::start(|request| {
        let broken = request.field("x-broken").is_some();
        Answer::text(if broken { 500 } else { 200 }, "x")
    });
    let config = json!({"min_calls_in_window": 2, "failure_percent_threshold": 50, "window_time": 60,
        "wait_duration_in_open_state": 1, "half_open_min_calls_in_window": 2,
        "half_open_max_calls_in_window": 3, "wait_duration_in_half_open_state": 30});
    let gateway = sources.start(&upstream, config);
    let ask = |fields: &[(&str, &str)]| get(gateway.proxy, "/", fields).status;
    let broken = [("x-broken", "1")];
    expect("failures", (ask(&broken), ask(&broken)), (500, 500))?;
    expect("open", ask(&[]), 599)?;
    expect("upstream untouched", upstream.received().len(), 2)?;
    std::thread::sleep(Duration::from_millis(1200));
    expect("half-open", ask(&[]), 200)
}

fn url_rewrite(sources: &Sources) -> Outcome {
    let upstream = Mock::start(echo);
    let config = json!({"url": "/v2/<id>/info", "query_string": ["u=<id>"]});
    let yaml = sources.yaml_at(&upstream, "~/users/(?<id>\\d+)$", config);
    let gateway = sources.setup(&yaml).start();
    expect("status", get(gateway.proxy, "/users/42", &[]).status, 200)?;
    expect("target", last(&upstream)?.target.as_str(), "/v2/42/info?u=42")
}

/// An issuer with a key: metadata, key set, and tokens.
struct Issuer {
    server: Mock,
    key: KeyPair,
}

impl Issuer {
    fn start() -> Issuer {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let url = |bytes: &[u8]| general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        // RSAPublicKey (RFC 8017, A.1.1) of 2048 bits: the modulus stands behind nine bytes, then 65537
        let public = key.public_key().as_ref();
        let (modulus, exponent) = (url(&public[9..265]), url(&[1, 0, 1]));
        let keys = json!({"keys": [{"kid": "one", "kty": "RSA", "alg": "RS256", "use": "sig",
            "n": modulus, "e": exponent}]});
        let server = Mock::start(move |request| {
            if request.target.starts_with("/keys") {
                return Answer::json(200, &keys);
            }
            let host = request.field("host").unwrap_or_default();
            Answer::json(200, &json!({"jwks_uri": format!("http://{host}/keys")}))
        });
        Issuer { server, key }
    }

    fn token(&self, issuer: &str, roles: &Value) -> String {
        let part = |value: Value| general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        let expiry = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 60;
        let head = part(json!({"alg": "RS256", "typ": "JWT", "kid": "one"}));
        let claims = part(json!({"iss": issuer, "exp": expiry, "azp": "app", "aud": "app",
            "resource_access": {"app": {"roles": roles}}}));
        let text = format!("{head}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", general_purpose::URL_SAFE_NO_PAD.encode(signature))
    }
}

fn jwt_keycloak(sources: &Sources) -> Outcome {
    let (upstream, issuer) = (Mock::start(echo), Issuer::start());
    let url = issuer.server.url();
    let gateway = sources.start(&upstream, json!({"allowed_iss": [url], "roles": ["x"]}));
    let ask = |token: &str| {
        get(gateway.proxy, "/", &[("Authorization", format!("Bearer {token}").as_str())]).status
    };
    let right = issuer.token(&url, &json!(["x"]));
    expect("without", get(gateway.proxy, "/", &[]).status, 401)?;
    expect("right", ask(&right), 200)?;
    let fetched = issuer.server.received().len();
    expect("again", ask(&right), 200)?;
    expect("no key is fetched twice", issuer.server.received().len(), fetched)?;
    let cut = right.rfind('.').unwrap_or_default();
    expect("altered", ask(&format!("{}.AAAA", &right[..cut])), 401)?;
    expect("another issuer", ask(&issuer.token("http://other", &json!(["x"]))), 401)?;
    expect("another role", ask(&issuer.token(&url, &json!(["y"]))), 403)
}

fn proxy_cache_redis(sources: &Sources) -> Outcome {
    let redis = Redis::start().ok_or("redis-server is not installed")?;
    let upstream = Mock::start(echo);
    let gateway = sources.start(
        &upstream,
        json!({"redis_host": "127.0.0.1", "redis_port": redis.port, "cache_ttl": 2,
            "content_type": ["application/json"]}),
    );
    let state = |method: &str| {
        let reply = request(gateway.proxy, method, "/", &[], b"");
        reply.field("X-Cache-Status").unwrap_or_default().to_owned()
    };
    let waited = |wanted: &str| until(1, || u16::from(state("GET") == wanted));
    expect("first", state("GET").as_str(), "Miss")?;
    waited("Hit")?;
    let asked = upstream.received().len();
    expect("hit", state("GET").as_str(), "Hit")?;
    expect("upstream requests", upstream.received().len(), asked)?;
    expect("POST", state("POST").as_str(), "Bypass")?;
    let plugins = get(gateway.admin, "/plugins", &[]).json();
    let id = plugins["data"][0]["id"].as_str().unwrap_or_default().to_owned();
    waited("Hit")?;
    let path = format!("/plugins/{id}/proxy-cache-redis");
    expect("flush", request(gateway.admin, "DELETE", &path, &[], b"").status, 204)?;
    expect("after the flush", state("GET").as_str(), "Miss")?;
    std::thread::sleep(Duration::from_millis(2500));
    expect("after its time", state("GET").as_str(), "Miss")
}

fn authz_openfga(sources: &Sources) -> Outcome {
    let upstream = Mock::start(echo);
    let openfga = Mock::start(|request| {
        if request.text().contains("nobody") {
            return Answer::json(500, &json!({"message": "down", "code": "internal"}));
        }
        Answer::json(200, &json!({"allowed": request.text().contains("\"user\":\"ann\"")}))
    });
    let tuple = json!({"user_by_lua": "return kong.request.get_header('x-u')", "relation": "reader",
        "object": "doc:1"});
    let config = json!({"host": "127.0.0.1", "port": openfga.port, "store_id": "st", "tuple": tuple,
        "max_attempts": 2, "failed_attempts_backoff_timeout": 10});
    let gateway = sources.start(&upstream, config.clone());
    let ask = |user: &str| get(gateway.proxy, "/", &[("x-u", user)]).status;
    expect("allowed, denied", (ask("ann"), ask("eve")), (200, 403))?;
    expect("path", openfga.received()[0].target.as_str(), "/stores/st/check")?;
    let before = openfga.received().len();
    expect("down", ask("nobody"), 500)?;
    expect("attempts", openfga.received().len() - before, 2)?;
    let mut both = config;
    both["tuple"]["user"] = json!("bob");
    let said = sources.refusal(&upstream, both);
    demand(said.contains("exactly one of these fields must be non-empty: 'user', 'user_by_lua'"), said)
}

fn referer(sources: &Sources) -> Outcome {
    let upstream = Mock::start(echo);
    let gateway = sources.start(&upstream, json!({"referers": ["*.good.com"]}));
    expect("good", get(gateway.proxy, "/", &[("Referer", "http://a.good.com/x")]).status, 200)?;
    let evil = get(gateway.proxy, "/", &[("Referer", "http://evil.com")]);
    expect("evil", (evil.status, message(&evil).as_str()), (403, "Invalid referer"))?;
    expect("none", get(gateway.proxy, "/", &[]).status, 403)?;
    let said = sources.refusal(&upstream, json!({}));
    demand(said.contains("referers: required field missing"), said)
}

/// Without a database the credential comes from the declarative file, and writes are refused.
fn upstream_basic_auth(sources: &Sources) -> Outcome {
    let upstream = Mock::start(echo);
    let mut yaml = sources.yaml(&upstream, json!({}));
    yaml["plugins"].as_array_mut().expect("a list").push(json!({"name": "key-auth", "route": "r"}));
    yaml["consumers"] = json!([
        {"username": "bob", "keyauth_credentials": [{"key": "bobs"}],
         "upstreambasicauth_credentials": [{"username": "b", "password": "p"}]},
        {"username": "eve", "keyauth_credentials": [{"key": "eves"}]},
    ]);
    let gateway = sources.setup(&yaml).start();
    expect("bob", get(gateway.proxy, "/", &[("apikey", "bobs")]).status, 200)?;
    expect("upstream", last(&upstream)?.field("authorization"), Some("Basic Yjpw"))?;
    let eve = get(gateway.proxy, "/", &[("apikey", "eves")]);
    expect("eve", eve.status, 403)?;
    let below = "/consumers/bob/upstream-basic-auth";
    let listed = get(gateway.admin, below, &[]).json();
    expect("username", listed["data"][0]["username"].as_str(), Some("b"))?;
    let id = listed["data"][0]["id"].as_str().unwrap_or_default().to_owned();
    let one = get(gateway.admin, &format!("{below}/{id}"), &[]);
    expect("one", (one.status, one.json()["password"].as_str()), (200, Some("p")))?;
    expect(
        "of another",
        get(gateway.admin, &format!("/consumers/eve/upstream-basic-auth/{id}"), &[]).status,
        404,
    )?;
    let body = json!({"username": "x", "password": "y"}).to_string();
    let json_type = [("Content-Type", "application/json")];
    let refused = request(gateway.admin, "POST", below, &json_type, body.as_bytes());
    expect("POST", (refused.status, refused.json()["name"].as_str()), (405, Some("operation unsupported")))?;
    let wrong = request(gateway.admin, "POST", below, &json_type, b"{}");
    expect("POST of nothing", (wrong.status, wrong.json()["name"].as_str()), (400, Some("schema violation")))
}

fn template_transformer(sources: &Sources) -> Outcome {
    let upstream = Mock::start(|request| {
        if request.target.starts_with("/plain") {
            return Answer::text(200, "as it is");
        }
        Answer::json(200, &json!({"id": 7}))
    });
    let config = json!({"request_template": "{\"n\":\"{{body.name}}\"}",
        "response_template": "{\"answer\": {{body.id}} }", "ignore_content_types": ["text/plain"]});
    let gateway = sources.start(&upstream, config);
    let json_type = [("Content-Type", "application/json")];
    let reply = request(gateway.proxy, "POST", "/", &json_type, b"{\"name\":\"a\"}");
    let sent: Value = serde_json::from_str(&last(&upstream)?.text()).map_err(|error| error.to_string())?;
    expect("request", sent, json!({"n": "a"}))?;
    expect("response", reply.json(), json!({"answer": 7}))?;
    let plain = request(gateway.proxy, "POST", "/plain", &json_type, b"{\"name\":\"a\"}");
    expect("plain", plain.text().as_str(), "as it is")
}

fn ddtrace(sources: &Sources) -> Outcome {
    let upstream = Mock::start(echo);
    let agent = Mock::start(|_| Answer::json(200, &json!({"rate_by_service": {}})));
    let gateway = sources.start(&upstream, json!({"trace_agent_url": agent.url(), "service_name": "svc"}));
    expect("status", get(gateway.proxy, "/", &[]).status, 200)?;
    let got = last(&upstream)?;
    demand(got.field("x-datadog-trace-id").is_some(), "no x-datadog-trace-id upstream")?;
    demand(got.field("traceparent").is_some(), "no traceparent upstream")?;
    let sent = agent.wait_for(|request| request.target == "/v0.4/traces").ok_or("no spans came")?;
    expect("type", sent.field("content-type"), Some("application/msgpack"))?;
    expect("traces", sent.field("x-datadog-trace-count"), Some("1"))?;
    let has = |text: &str| sent.body.windows(text.len()).any(|window| window == text.as_bytes());
    demand(has("http.status_code") && has("svc"), "the span tells neither status nor service")
}

fn openwhisk(sources: &Sources) -> Outcome {
    let upstream = Mock::start(echo);
    let asked: &'static Mutex<Vec<String>> = Box::leak(Box::default());
    let actions = Mock::start(move |request| {
        asked.lock().expect("unpoisoned").push(request.target.clone());
        Answer::json(200, &json!({"payload": request.text()}))
    });
    let config = json!({"host": "127.0.0.1", "port": actions.port, "path": "/api", "action": "hello",
        "https": false});
    let gateway = sources.start(&upstream, config);
    expect("GET", get(gateway.proxy, "/", &[]).status, 405)?;
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let reply = request(gateway.proxy, "POST", "/", &form, b"name=bar");
    expect("status", reply.status, 200)?;
    expect("arguments", reply.json()["payload"].as_str(), Some("{\"name\":\"bar\"}"))?;
    let target = asked.lock().expect("unpoisoned")[0].clone();
    demand(target.starts_with("/api/actions/hello?blocking=true&result=true"), target)?;
    let json_type = [("Content-Type", "application/json")];
    let reply = request(gateway.proxy, "POST", "/", &json_type, b"{\"name\":\"baz\"}");
    expect("JSON", reply.json()["payload"].as_str(), Some("{\"name\":\"baz\"}"))?;
    expect("nothing goes upstream", upstream.received().len(), 0)
}
