//! What each plugin has to do for a request.

use super::{SECRET, World};
use crate::foreign_sources::{demand, expect};
use crate::support::{Received, get, request};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What came of a case.
pub(super) type Outcome = Result<(), String>;
/// A plugin, and a check that it does its main thing.
pub(super) type Case = (&'static str, fn(&World) -> Outcome);

#[rustfmt::skip] // A table.
pub(super) const CASES: [Case; 40] = [
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

/// JSON whose slashes may be escaped: they are where acme is not loaded.
fn plain(json: &str) -> String {
    json.replace("\\/", "/")
}

fn tcp_log(world: &World) -> Outcome {
    world.get("/tcp-log", &[]);
    let came = world.tcp.got("/tcp-log\"");
    demand(came && plain(&world.tcp.text()).contains("\"uri\":\"/tcp-log\""), world.tcp.text())
}

fn udp_log(world: &World) -> Outcome {
    world.get("/udp-log", &[]);
    let came = world.udp.got("/udp-log\"");
    demand(came && plain(&world.udp.text()).contains("\"uri\":\"/udp-log\""), world.udp.text())
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
    let tells = |sent: &Received| {
        sent.target == "/zipkin" && plain(&sent.text()).contains("\"http.path\":\"/zipkin\"")
    };
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
