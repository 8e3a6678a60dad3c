//! The configuration of every plugin, each on a route of its own.

use super::{Ports, SECRET};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

/// A route for each plugin, with the plugin on it.
pub(super) fn declarative(plugins: &[String], ports: &Ports, file: &Path) -> Value {
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
