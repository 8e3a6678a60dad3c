//! The bundled plugins, each with the answers that Kong gives.

use super::harness::{Answer, Gateway, ROUTE};
use crate::lua::plugin::PhaseOutcome;
use serde_json::{Value, json};

fn gateway(plugins: &[(&str, Value)], more: Value) -> Gateway {
    let names: Vec<&str> = plugins.iter().map(|(name, _)| *name).collect();
    let gateway = Gateway::new(&names, "").unwrap_or_else(|error| panic!("{}", error.report()));
    let rows: Vec<Value> = plugins
        .iter()
        .map(
            |(name, config)| json!({"name": name, "enabled": true, "config": config, "route": {"id": ROUTE}}),
        )
        .collect();
    let mut entities = json!({"plugins": rows});
    entities.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    gateway.configure(&entities);
    gateway
}

fn one(name: &str, config: Value) -> Gateway {
    gateway(&[(name, config)], json!({}))
}

// ---- key-auth ----

const BOB: &str = "b0b00000-0000-4000-8000-000000000001";

fn key_auth(change: Value) -> Gateway {
    let mut config = json!({"key_names": ["apikey"], "hide_credentials": false, "key_in_header": true,
        "key_in_query": true, "key_in_body": false, "run_on_preflight": true});
    config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let more = json!({
        "consumers": [{"id": BOB, "username": "bob", "custom_id": "b-1"},
                      {"id": "a0000000-0000-4000-8000-000000000001", "username": "nobody"}],
        "keyauth_credentials": [{"id": "c0000000-0000-4000-8000-000000000009", "key": "secret", "consumer": {"id": BOB}}],
    });
    gateway(&[("key-auth", config)], more)
}

#[test]
fn key_auth_lets_in_who_shows_a_key_and_tells_the_upstream_who_it_is() {
    let gateway = key_auth(json!({}));
    for (target, fields) in
        [("/", vec![("apikey", "secret")]), ("/?apikey=secret", vec![("X-Anonymous-Consumer", "true")])]
    {
        let answer = gateway.get(target, &fields);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.upstream("X-Consumer-ID"), [BOB]);
        assert_eq!(answer.upstream("X-Consumer-Username"), ["bob"]);
        assert_eq!(answer.upstream("X-Consumer-Custom-ID"), ["b-1"]);
        assert_eq!(answer.upstream("X-Credential-Identifier"), ["c0000000-0000-4000-8000-000000000009"]);
        assert!(answer.upstream("X-Anonymous-Consumer").is_empty());
    }
}

#[test]
fn key_auth_refuses_a_missing_an_unknown_and_a_double_key() {
    let gateway = key_auth(json!({}));
    for (fields, message) in [
        (vec![], "No API key found in request"),
        (vec![("apikey", "wrong")], "Unauthorized"),
        (vec![("apikey", "secret"), ("apikey", "secret")], "Duplicate API key found"),
    ] {
        let answer = gateway.get("/", &fields);
        assert_eq!((answer.outcome, answer.status()), (PhaseOutcome::Exited, 401));
        assert_eq!(answer.message(), message);
        assert_eq!(answer.header("WWW-Authenticate").as_deref(), Some("Key"));
        let expected =
            format!("{{\n  \"message\":\"{message}\",\n  \"request_id\":\"{}\"\n}}", answer.exchange.id);
        assert_eq!(answer.body, expected);
    }
    let answer = key_auth(json!({"realm": "here"})).get("/", &[]);
    assert_eq!(answer.header("WWW-Authenticate").as_deref(), Some("Key realm=\"here\""));
}

#[test]
fn key_auth_hides_the_key_it_found() {
    let gateway = key_auth(json!({"hide_credentials": true, "key_in_body": true}));
    let answer = gateway.get("/?apikey=secret&a=1", &[]);
    assert_eq!(answer.exchange.request.query(), Some(&b"a=1"[..]));
    let answer = gateway.get("/", &[("apikey", "secret")]);
    assert!(answer.upstream("apikey").is_empty());
    let fields = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = gateway.send(gateway.request("POST", "/", &fields, "a=1&apikey=secret"), &[], "");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.exchange.request.body.in_memory(), Some(&b"a=1"[..]));
}

#[test]
fn key_auth_with_anonymous_lets_everyone_in() {
    let gateway = key_auth(json!({"anonymous": "nobody"}));
    let answer = gateway.get("/", &[("X-Credential-Identifier", "forged")]);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.upstream("X-Consumer-Username"), ["nobody"]);
    assert_eq!(answer.upstream("X-Anonymous-Consumer"), ["true"]);
    assert!(answer.upstream("X-Credential-Identifier").is_empty());
}

#[test]
fn key_auth_may_leave_preflight_requests_alone() {
    let gateway = key_auth(json!({"run_on_preflight": false}));
    assert_eq!(gateway.send(gateway.request("OPTIONS", "/", &[], ""), &[], "").status(), 200);
    assert_eq!(gateway.get("/", &[]).status(), 401);
}

// ---- rate-limiting ----

fn rate_limiting(change: Value) -> Gateway {
    let mut config = json!({"limit_by": "consumer", "policy": "local", "fault_tolerant": true,
        "hide_client_headers": false, "error_code": 429, "error_message": "API rate limit exceeded", "sync_rate": -1});
    config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    one("rate-limiting", config)
}

#[test]
fn rate_limiting_counts_down_and_then_refuses() {
    let gateway = rate_limiting(json!({"hour": 2, "day": 10}));
    for (left, day) in [("1", "9"), ("0", "8")] {
        let answer = gateway.get("/", &[]);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.header("X-RateLimit-Limit-Hour").as_deref(), Some("2"));
        assert_eq!(answer.header("X-RateLimit-Remaining-Hour").as_deref(), Some(left));
        assert_eq!(answer.header("X-RateLimit-Remaining-Day").as_deref(), Some(day));
        assert_eq!(answer.header("RateLimit-Limit").as_deref(), Some("2"));
        assert_eq!(answer.header("RateLimit-Remaining").as_deref(), Some(left));
        let reset: u32 = answer.header("RateLimit-Reset").unwrap().parse().unwrap();
        assert!((1..=3600).contains(&reset));
        assert_eq!(answer.header("Retry-After"), None);
    }
    let answer = gateway.get("/", &[]);
    assert_eq!((answer.status(), answer.message().as_str()), (429, "API rate limit exceeded"));
    assert_eq!(answer.header("Retry-After"), answer.header("RateLimit-Reset"));
    assert_eq!(answer.header("X-RateLimit-Remaining-Hour").as_deref(), Some("0"));
    assert_eq!(answer.header("X-RateLimit-Remaining-Day").as_deref(), Some("8"));
}

#[test]
fn rate_limiting_counts_by_header_and_may_hide_its_headers() {
    let change = json!({"hour": 1, "limit_by": "header", "header_name": "X-Who", "hide_client_headers": true, "error_code": 418});
    let gateway = rate_limiting(change);
    let ask = |who: &str| gateway.get("/", &[("X-Who", who)]);
    let first = ask("a");
    assert_eq!((first.status(), first.header("RateLimit-Limit")), (200, None));
    assert_eq!(ask("a").status(), 418);
    assert_eq!(ask("b").status(), 200);
}

#[test]
fn rate_limiting_by_path_counts_that_path_alone() {
    let gateway = rate_limiting(json!({"hour": 1, "limit_by": "path", "path": "/one"}));
    assert_eq!(gateway.get("/one", &[]).status(), 200);
    assert_eq!(gateway.get("/one", &[]).status(), 429);
    assert_eq!(gateway.get("/two", &[]).status(), 200);
}

#[test]
fn rate_limiting_whose_counters_cannot_be_reached_fails_as_configured() {
    let nobody = json!({"host": "127.0.0.1", "port": 1, "timeout": 100, "database": 0});
    for policy in ["redis", "cluster"] {
        let change = json!({"hour": 1, "policy": policy, "redis": nobody});
        assert_eq!(rate_limiting(change.clone()).get("/", &[]).status(), 200, "{policy}");
    }
    let strict = json!({"hour": 1, "policy": "redis", "fault_tolerant": false, "redis": nobody});
    assert_eq!(rate_limiting(strict).get("/", &[]).status(), 500);
}

// ---- transformers ----

fn parts() -> Value {
    json!({"body": [], "headers": [], "querystring": []})
}

fn request_transformer(change: Value) -> Gateway {
    let mut config =
        json!({"remove": parts(), "rename": parts(), "replace": parts(), "add": parts(), "append": parts()});
    for (action, lists) in change.as_object().unwrap() {
        match lists {
            Value::Object(lists) => config[action].as_object_mut().unwrap().extend(lists.clone()),
            other => config[action] = other.clone(),
        }
    }
    one("request-transformer", config)
}

#[test]
fn request_transformer_changes_headers() {
    let gateway = request_transformer(json!({
        "remove": {"headers": ["x-gone"]},
        "rename": {"headers": ["x-old:x-new"]},
        "replace": {"headers": ["x-there:b", "x-absent:c", "host:other.test"]},
        "add": {"headers": ["x-added:d", "x-there:e"]},
        "append": {"headers": ["x-list:2"]},
    }));
    let answer = gateway.get("/", &[("X-Gone", "1"), ("X-Old", "o"), ("X-There", "a"), ("X-List", "1")]);
    let upstream = |name: &str| answer.upstream(name);
    assert!(upstream("x-gone").is_empty() && upstream("x-old").is_empty() && upstream("x-absent").is_empty());
    assert_eq!(upstream("x-new"), ["o"]);
    assert_eq!(upstream("x-there"), ["b"]);
    assert_eq!(upstream("x-added"), ["d"]);
    assert_eq!(upstream("x-list"), ["1", "2"]);
    assert_eq!(answer.exchange.upstream.host_header.as_deref(), Some(&b"other.test"[..]));
}

#[test]
fn request_transformer_changes_the_query_and_the_path() {
    let gateway = request_transformer(json!({
        "remove": {"querystring": ["gone"]}, "rename": {"querystring": ["old:new"]},
        "replace": {"querystring": ["there:b"], "uri": "/to/$(headers['x-id'])/$(10 * 2)"},
        "add": {"querystring": ["added:$(query_params.old)-$(shared.x or 'none')"]}, "append": {"querystring": ["list:2"]},
    }));
    let answer = gateway.get("/?gone=1&old=o&there=a&list=1", &[("X-Id", "7 8")]);
    assert_eq!(answer.status(), 200);
    let query = String::from_utf8_lossy(answer.exchange.request.query().unwrap()).into_owned();
    assert_eq!(query, "added=o-none&list=1&list=2&new=o&there=b");
    assert_eq!(answer.exchange.upstream.path, b"/to/7%208/20");
}

#[test]
fn request_transformer_changes_bodies_of_each_kind() {
    let gateway = request_transformer(json!({
        "remove": {"body": ["gone"]}, "rename": {"body": ["old:new"]}, "replace": {"body": ["there:b"]},
        "add": {"body": ["added:d"]},
    }));
    let ask = |kind: &str, body: &str| {
        gateway.send(gateway.request("POST", "/", &[("Content-Type", kind)], body), &[], "")
    };
    let body_of = |answer: &Answer| {
        String::from_utf8_lossy(answer.exchange.request.body.in_memory().unwrap()).into_owned()
    };

    let answer = ask("application/json", r#"{"gone":1,"old":"o","there":"a","list":[]}"#);
    let fields: Value = serde_json::from_str(&body_of(&answer)).unwrap();
    assert_eq!(fields, json!({"new": "o", "there": "b", "added": "d", "list": []}));
    assert_eq!(answer.upstream("content-length"), [body_of(&answer).len().to_string()]);

    let answer = ask("application/x-www-form-urlencoded", "gone=1&old=o&there=a");
    let mut fields: Vec<_> = body_of(&answer).split('&').map(str::to_owned).collect();
    fields.sort();
    assert_eq!(fields, ["added=d", "new=o", "there=b"]);

    let part = |name: &str, value: &str| {
        format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let sent = format!("{}{}{}--xx--\r\n", part("gone", "1"), part("old", "o"), part("there", "a"));
    let answer = ask("multipart/form-data; boundary=xx", &sent);
    let got = body_of(&answer);
    assert!(!got.contains("gone") && !got.contains("\"old\""), "{got}");
    for (name, value) in [("new", "o"), ("there", "b"), ("added", "d")] {
        assert!(got.contains(&format!("name=\"{name}\"\r\n\r\n{value}\r\n")), "{got}");
    }
}

#[test]
fn request_transformer_changes_the_method() {
    let gateway = request_transformer(json!({"http_method": "GET"}));
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = gateway.send(gateway.request("POST", "/?a=1", &form, "b=2"), &[], "");
    assert_eq!(answer.exchange.request.head.method.as_bytes(), b"GET");
    assert_eq!(answer.exchange.request.query(), Some(&b"a=1&b=2"[..]));
}

#[test]
fn request_transformer_keeps_expressions_in_the_sandbox() {
    let gateway = request_transformer(json!({"add": {"headers": ["x-a:$(os.getenv('HOME'))"]}}));
    assert_eq!(gateway.get("/", &[]).status(), 500);
    let gateway = request_transformer(json!({"add": {"headers": ["x-a:$(type(query_params.q))"]}}));
    assert_eq!(gateway.get("/?q=1&q=2", &[]).upstream("x-a"), ["table"]);
}

#[test]
fn response_transformer_changes_headers_and_json() {
    let lists = || json!({"json": [], "json_types": [], "headers": []});
    let mut config =
        json!({"remove": lists(), "rename": lists(), "replace": lists(), "add": lists(), "append": lists()});
    config["remove"] = json!({"json": ["gone"], "headers": ["X-Gone"]});
    config["rename"] = json!({"json": ["old:new"], "headers": ["X-Old:X-New"]});
    config["replace"] = json!({"json": ["there:2"], "json_types": ["number"], "headers": ["X-There:b"]});
    config["add"] = json!({"json": ["flag:true", "text:a/b"], "json_types": ["boolean", "string"], "headers": ["X-Added:c"]});
    config["append"] = json!({"json": ["list:x"], "json_types": [], "headers": ["X-List:2"]});
    let gateway = one("response-transformer", config);
    let sent = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Content-Length", "50"),
        ("X-Gone", "1"),
        ("X-Old", "o"),
        ("X-There", "a"),
        ("X-List", "1"),
    ];
    let answer = gateway.send(
        gateway.request("GET", "/", &[], ""),
        &sent,
        r#"{"gone":1,"old":"o","there":1,"list":["w"]}"#,
    );
    assert_eq!(answer.header("X-Gone"), None);
    assert_eq!(answer.header("X-Old"), None);
    assert_eq!(answer.header("X-New").as_deref(), Some("o"));
    assert_eq!(answer.header("X-There").as_deref(), Some("b"));
    assert_eq!(answer.header("X-Added").as_deref(), Some("c"));
    assert_eq!(answer.exchange.response.head.fields.values(b"X-List").count(), 2);
    assert_eq!(answer.header("Content-Length"), None);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body, json!({"new": "o", "there": 2, "flag": true, "text": "a/b", "list": ["w", "x"]}));
    let plain = gateway.send(gateway.request("GET", "/", &[], ""), &[("Content-Type", "text/plain")], "text");
    assert_eq!(plain.body, "text");
}

// ---- the others ----

#[test]
fn correlation_id_makes_an_identity_or_keeps_the_one_sent() {
    let config = |generator: &str| json!({"header_name": "Kong-Request-ID", "generator": generator, "echo_downstream": true});
    let gateway = one("correlation-id", config("uuid#counter"));
    let identity = |answer: &Answer| answer.upstream("Kong-Request-ID")[0].clone();
    let (first, second) = (gateway.get("/", &[]), gateway.get("/", &[]));
    let (worker, count) =
        identity(&first).split_once('#').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!((worker.len(), count.as_str()), (36, "1"));
    assert_eq!(identity(&second), format!("{worker}#2"));
    assert_eq!(first.header("Kong-Request-ID"), Some(identity(&first)));
    let kept = gateway.get("/", &[("kong-request-id", "mine")]);
    assert_eq!((identity(&kept).as_str(), kept.header("Kong-Request-ID").as_deref()), ("mine", Some("mine")));
    assert_eq!(identity(&one("correlation-id", config("uuid")).get("/", &[])).len(), 36);
    let tracker = identity(&one("correlation-id", config("tracker")).get("/", &[]));
    assert!(tracker.starts_with("127.0.0.1-8000-"), "{tracker}");
    assert_eq!(tracker.split('-').count(), 6);
}

#[test]
fn request_termination_answers_in_place_of_the_upstream() {
    let answer = one("request-termination", json!({"status_code": 503, "echo": false})).get("/", &[]);
    assert_eq!((answer.status(), answer.body.as_str()), (503, "{\"message\":\"Service unavailable\"}"));
    let config =
        json!({"status_code": 404, "echo": false, "body": "<h1>no</h1>", "content_type": "text/html"});
    let answer = one("request-termination", config).get("/", &[]);
    assert_eq!((answer.status(), answer.body.as_str()), (404, "<h1>no</h1>"));
    assert_eq!(answer.header("Content-Type").as_deref(), Some("text/html"));
    let gateway = one(
        "request-termination",
        json!({"status_code": 200, "echo": false, "message": "hi", "trigger": "x-stop"}),
    );
    assert_eq!(gateway.get("/", &[]).body, "hello");
    assert_eq!(gateway.get("/?x-stop=1", &[]).body, "{\"message\":\"hi\"}");
    assert_eq!(gateway.get("/", &[("X-Stop", "")]).body, "{\"message\":\"hi\"}");
}

#[test]
fn request_termination_may_echo_the_request() {
    let gateway = one("request-termination", json!({"status_code": 200, "echo": true}));
    let fields = [("Content-Type", "application/json")];
    let answer = gateway.send(gateway.request("POST", "/a/b?x=1", &fields, r#"{"c":2}"#), &[], "");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["request"]["method"], "POST");
    assert_eq!(body["request"]["path"], "/a/b");
    assert_eq!(body["request"]["query"], json!({"x": "1"}));
    assert_eq!(body["request"]["body"], json!({"c": 2}));
    assert_eq!(body["request"]["raw_body"], r#"{"c":2}"#);
    assert_eq!(body["request"]["headers"]["content-type"], "application/json");
    assert_eq!(body["request"]["uri_captures"], json!({"named": {}, "unnamed": []}));
    assert_eq!(body["request"]["port"], 8000);
    assert_eq!(body["matched_route"]["id"], ROUTE);
    assert_eq!(body["matched_service"]["name"], "one");
    assert_eq!(body["kong"]["worker_pid"], std::process::id());
}

fn cors(change: Value) -> Gateway {
    let mut config = json!({"credentials": false, "private_network": false, "preflight_continue": false,
        "methods": ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"]});
    config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    one("cors", config)
}

fn preflight(gateway: &Gateway, origin: &str) -> Answer {
    let fields = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "x-a"),
    ];
    gateway.send(gateway.request("OPTIONS", "/", &fields, ""), &[], "")
}

#[test]
fn cors_answers_preflight_requests() {
    let answer = preflight(&cors(json!({"max_age": 23})), "http://a.test");
    assert_eq!((answer.status(), answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("Content-Length").as_deref(), Some("0"));
    assert_eq!(answer.header("Access-Control-Allow-Origin").as_deref(), Some("*"));
    assert_eq!(answer.header("Access-Control-Allow-Headers").as_deref(), Some("x-a"));
    let methods = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT";
    assert_eq!(answer.header("Access-Control-Allow-Methods").as_deref(), Some(methods));
    assert_eq!(answer.header("Access-Control-Max-Age").as_deref(), Some("23"));
    assert_eq!(answer.header("Vary"), None);
}

#[test]
fn cors_names_the_origin_among_several() {
    let gateway =
        cors(json!({"origins": ["http://a.test", "https?://.*\\.b\\.test", "c.test"], "credentials": true,
        "exposed_headers": ["x-a", "x-b"]}));
    for (origin, allowed) in [
        ("http://a.test", Some("http://a.test")),
        ("http://a.test:80", Some("http://a.test")),
        ("https://x.b.test", Some("https://x.b.test")),
        ("https://evil.test", None),
    ] {
        let answer = gateway.get("/", &[("Origin", origin)]);
        assert_eq!(answer.header("Access-Control-Allow-Origin").as_deref(), allowed, "{origin}");
        assert_eq!(answer.header("Vary").as_deref(), Some("Origin"));
        assert_eq!(answer.header("Access-Control-Allow-Credentials").as_deref(), Some("true"));
        assert_eq!(answer.header("Access-Control-Expose-Headers").as_deref(), Some("x-a,x-b"));
    }
}

#[test]
fn cors_with_credentials_names_the_origin_in_place_of_the_asterisk() {
    let answer =
        cors(json!({"origins": ["*"], "credentials": true})).get("/", &[("Origin", "http://a.test")]);
    assert_eq!(answer.header("Access-Control-Allow-Origin").as_deref(), Some("http://a.test"));
    assert_eq!(answer.header("Access-Control-Allow-Credentials").as_deref(), Some("true"));
}

#[test]
fn cors_may_hand_preflight_requests_on() {
    let answer = preflight(&cors(json!({"preflight_continue": true})), "http://a.test");
    assert_eq!(answer.outcome, PhaseOutcome::Continue);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
}

#[test]
fn file_log_writes_a_line_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("requests.log");
    let config = json!({"path": path.to_str().unwrap(), "reopen": false,
        "custom_fields_by_lua": {"own.field": "return kong.request.get_method() .. '!'"}});
    let gateway = one("file-log", config);
    gateway.get("/a?b=1", &[("Authorization", "secret"), ("X-One", "1")]);
    gateway.get("/", &[]);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let line = &lines[0];
    assert_eq!(line["request"]["uri"], "/a?b=1");
    assert_eq!(line["request"]["url"], "http://example.com:8000/a?b=1");
    assert_eq!(line["request"]["method"], "GET");
    assert_eq!(line["request"]["querystring"], json!({"b": "1"}));
    assert_eq!(line["request"]["headers"]["authorization"], "REDACTED");
    assert_eq!(line["request"]["headers"]["x-one"], "1");
    assert_eq!(line["response"]["status"], 200);
    assert_eq!(line["source"], "upstream");
    assert_eq!(line["route"]["id"], ROUTE);
    assert_eq!(line["service"]["name"], "one");
    assert_eq!(line["client_ip"], "10.1.2.3");
    assert_eq!(line["workspace_name"], "default");
    assert_eq!(line["upstream_status"], "200");
    assert_eq!(line["own"]["field"], "GET!");
    assert!(line["started_at"].as_f64().unwrap() > 1.7e12);
    assert!(line["latencies"]["request"].is_number() && line["latencies"]["proxy"].is_number());
}

#[test]
fn pre_and_post_function_run_code_of_each_phase() {
    let config = |access: &str, filter: &str| {
        json!({"certificate": [], "rewrite": [], "access": [access],
        "header_filter": [filter], "body_filter": [], "log": []})
    };
    let pre = config(
        "local count = 0 return function() count = count + 1 kong.service.request.set_header('X-Count', count) end",
        "kong.response.set_header('X-Pre', 'yes')",
    );
    let post = config("kong.service.request.set_header('X-Post', kong.request.get_header('X-Count'))", "");
    let gateway = gateway(&[("pre-function", pre), ("post-function", post)], json!({}));
    let answer = gateway.get("/", &[]);
    assert_eq!((answer.upstream("X-Count"), answer.upstream("X-Post")), (vec!["1".into()], vec!["1".into()]));
    assert_eq!(answer.header("X-Pre").as_deref(), Some("yes"));
    assert_eq!(gateway.get("/", &[]).upstream("X-Count"), ["2"]);
}

#[test]
fn pre_function_keeps_code_in_the_sandbox() {
    let config = json!({"certificate": [], "rewrite": [], "access": ["io.open('/etc/passwd')"], "header_filter": [],
        "body_filter": [], "log": []});
    assert_eq!(one("pre-function", config).get("/", &[]).status(), 500);
}
