//! rate-limiting, cors, request-termination and correlation-id, as clients and upstreams see them.

use crate::support::{Gateway, Reply, Setup, Upstream, free_port, get, request};

/// A gateway with one route `/name` for each plugin configuration.
fn start(plugin: &str, configs: &[(&str, &str)]) -> Gateway {
    let upstream = Upstream::start();
    let mut text = format!("_format_version: '3.0'\nservices:\n- url: {}\n  routes:\n", upstream.url());
    for (name, config) in configs {
        text.push_str(&format!(
            "  - name: {name}\n    paths: [/{name}]\n    plugins:\n    - name: {plugin}\n      config: {{{config}}}\n"
        ));
    }
    Setup::declarative(text).start()
}

fn fields<'a>(reply: &'a Reply, names: &[&str]) -> Vec<&'a str> {
    names.iter().map(|name| reply.field(name).unwrap_or("-")).collect()
}

#[test]
fn rate_limiting_counts_down_and_then_refuses() {
    let gateway = start(
        "rate-limiting",
        &[
            ("local", "hour: 3, policy: local"),
            ("two", "hour: 2, day: 10, policy: local"),
            ("quiet", "hour: 1, policy: local, hide_client_headers: true"),
            ("worded", "hour: 1, policy: local, error_code: 404, error_message: 'Slow down'"),
            ("byheader", "hour: 1, policy: local, limit_by: header, header_name: X-Who"),
            ("bypath", "hour: 1, policy: local, limit_by: path, path: /bypath/counted"),
        ],
    );
    let names =
        ["RateLimit-Limit", "RateLimit-Remaining", "X-RateLimit-Limit-Hour", "X-RateLimit-Remaining-Hour"];
    let counted = |path: &str, fields: &[(&str, &str)]| {
        let reply = get(gateway.proxy, path, fields);
        // Counting happens in a timer, after the response.
        std::thread::sleep(std::time::Duration::from_millis(250));
        reply
    };
    for left in ["2", "1", "0"] {
        let reply = counted("/local", &[]);
        assert_eq!((reply.status, fields(&reply, &names)), (200, vec!["3", left, "3", left]));
        assert!(reply.field("RateLimit-Reset").is_some_and(|v| (1..=3600).contains(&v.parse().unwrap_or(0))));
        assert_eq!(reply.field("Retry-After"), None);
    }
    let reply = counted("/local", &[]);
    assert_eq!((reply.status, reply.reason.as_str()), (429, "Too Many Requests"));
    assert_eq!(fields(&reply, &names), ["3", "0", "3", "0"]);
    assert_eq!(reply.field("Retry-After"), reply.field("RateLimit-Reset"));
    let id = reply.field("X-Kong-Request-Id").expect("a request id");
    assert_eq!(
        reply.text(),
        format!("{{\n  \"message\":\"API rate limit exceeded\",\n  \"request_id\":\"{id}\"\n}}")
    );
    let reply = counted("/two", &[]);
    let both =
        ["RateLimit-Limit", "RateLimit-Remaining", "X-RateLimit-Remaining-Hour", "X-RateLimit-Remaining-Day"];
    assert_eq!(fields(&reply, &both), ["2", "1", "1", "9"]);
    for (path, status, message) in [("/quiet", 429, "API rate limit exceeded"), ("/worded", 404, "Slow down")]
    {
        assert_eq!(counted(path, &[]).status, 200);
        let reply = counted(path, &[]);
        assert_eq!((reply.status, reply.json()["message"].as_str()), (status, Some(message)), "{path}");
        assert_eq!(reply.field("RateLimit-Limit").is_none(), path == "/quiet");
        assert_eq!(reply.field("Retry-After").is_none(), path == "/quiet");
    }
    for (who, status) in [("a", 200), ("b", 200), ("a", 429)] {
        assert_eq!(counted("/byheader", &[("X-Who", who)]).status, status, "{who}");
    }
    assert_eq!(counted("/bypath/counted", &[]).status, 200);
    assert_eq!(counted("/bypath/counted", &[]).status, 429);
}

#[test]
fn cors_answers_preflights_and_marks_responses() {
    let gateway = start(
        "cors",
        &[
            ("any", ""),
            (
                "one",
                "origins: ['http://a.test'], methods: [GET], headers: [origin, x-mine], exposed_headers: [x-out], max_age: 23, credentials: true",
            ),
            ("many", "origins: ['http://a.test', 'https://b.test:444', '.*\\.c\\.test']"),
            ("credentials", "credentials: true"),
            ("through", "preflight_continue: true"),
            ("network", "private_network: true"),
        ],
    );
    let preflight = |path: &str, origin: &str, more: &[(&str, &str)]| {
        let mut all = vec![("Origin", origin), ("Access-Control-Request-Method", "GET")];
        all.extend(more);
        request(gateway.proxy, "OPTIONS", path, &all, b"")
    };
    let names = [
        "Access-Control-Allow-Origin",
        "Access-Control-Allow-Methods",
        "Access-Control-Allow-Headers",
        "Access-Control-Max-Age",
        "Access-Control-Allow-Credentials",
        "Vary",
        "Content-Length",
    ];
    let methods = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT";
    for (path, origin, more, expected) in [
        ("/any", "x.test", vec![], ["*", methods, "-", "-", "-", "-", "0"]),
        (
            "/any",
            "x.test",
            vec![("Access-Control-Request-Headers", "a,b")],
            ["*", methods, "a,b", "-", "-", "-", "0"],
        ),
        ("/one", "x.test", vec![], ["http://a.test", "GET", "origin,x-mine", "23", "true", "Origin", "0"]),
        (
            "/many",
            "https://b.test:444",
            vec![],
            ["https://b.test:444", methods, "-", "-", "-", "Origin", "0"],
        ),
        ("/many", "http://x.c.test", vec![], ["http://x.c.test", methods, "-", "-", "-", "Origin", "0"]),
        ("/many", "http://b.test", vec![], ["-", methods, "-", "-", "-", "Origin", "0"]),
        (
            "/credentials",
            "http://a.test",
            vec![],
            ["http://a.test", methods, "-", "-", "true", "Origin", "0"],
        ),
    ] {
        let reply = preflight(path, origin, &more);
        assert_eq!((reply.status, fields(&reply, &names)), (200, expected.to_vec()), "{path} {origin}");
        assert!(reply.body.is_empty());
    }
    let reply = preflight("/network", "a.test", &[("Access-Control-Request-Private-Network", "true")]);
    assert_eq!(reply.field("Access-Control-Allow-Private-Network"), Some("true"));
    let reply = preflight("/through", "a.test", &[]);
    assert_eq!(
        (reply.json()["method"].as_str(), reply.field("Access-Control-Allow-Origin")),
        (Some("OPTIONS"), None)
    );
    assert_eq!(request(gateway.proxy, "OPTIONS", "/any", &[], b"").json()["method"], "OPTIONS");

    let names = [
        "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers",
        "Access-Control-Allow-Credentials",
        "Vary",
    ];
    for (path, origin, expected) in [
        ("/any", "http://x.test", ["*", "-", "-", "-"]),
        ("/any/status/404", "http://x.test", ["*", "-", "-", "-"]),
        ("/one", "http://x.test", ["http://a.test", "x-out", "true", "Origin"]),
        ("/many", "http://a.test:80", ["http://a.test", "-", "-", "Origin"]),
        ("/many", "http://a.test:81", ["-", "-", "-", "Origin"]),
        ("/credentials", "http://x.test:3000", ["http://x.test:3000", "-", "true", "Origin"]),
    ] {
        let reply = get(gateway.proxy, path, &[("Origin", origin)]);
        assert_eq!(fields(&reply, &names), expected, "{path} {origin}");
    }
}

#[test]
fn request_termination_answers_in_place_of_the_upstream() {
    let gateway = start(
        "request-termination",
        &[
            ("plain", ""),
            ("s404", "status_code: 404"),
            ("s204", "status_code: 204"),
            ("worded", "status_code: 406, message: 'No way'"),
            ("body", "status_code: 451, body: '<e/>', content_type: application/xml"),
            ("bare", "body: text"),
            ("echo", "status_code: 200, echo: true, message: hello"),
            ("trigger", "status_code: 200, echo: true, trigger: gimme"),
        ],
    );
    for (path, status, kind, body) in [
        ("/plain", 503, "application/json; charset=utf-8", "{\"message\":\"Service unavailable\"}"),
        ("/s404", 404, "application/json; charset=utf-8", "{\"message\":\"Not found\"}"),
        ("/worded", 406, "application/json; charset=utf-8", "{\"message\":\"No way\"}"),
        ("/body", 451, "application/xml", "<e/>"),
    ] {
        let reply = get(gateway.proxy, path, &[("Accept", "text/html")]);
        assert_eq!((reply.status, reply.text().as_str()), (status, body), "{path}");
        assert_eq!(reply.field("Content-Type"), Some(kind), "{path}");
        assert_eq!(reply.field("Content-Length"), Some(body.len().to_string().as_str()), "{path}");
        assert_eq!(reply.field("Server"), Some("kong/3.9.3"), "{path}");
    }
    assert_eq!(get(gateway.proxy, "/bare", &[]).text(), "text");
    let reply = get(gateway.proxy, "/s204", &[]);
    assert_eq!((reply.status, reply.field("Content-Length")), (204, None));
    let told = request(gateway.proxy, "POST", "/echo/x?a=1&a=2&b", &[("Host", "e.test")], b"raw").json();
    assert_eq!(told["message"], "hello");
    assert_eq!(told["request"]["raw_body"], "raw");
    assert_eq!(told["request"]["query"], serde_json::json!({"a": ["1", "2"], "b": true}));
    assert_eq!(told["request"]["path"], "/echo/x");
    assert_eq!(
        (told["request"]["method"].as_str(), told["request"]["host"].as_str()),
        (Some("POST"), Some("e.test"))
    );
    assert_eq!(told["matched_route"]["name"], "echo");
    assert!(told["kong"]["worker_pid"].is_number());
    assert_eq!(get(gateway.proxy, "/trigger", &[]).json()["uri"], "/");
    assert_eq!(get(gateway.proxy, "/trigger?gimme", &[]).json()["request"]["path"], "/trigger");
    assert_eq!(get(gateway.proxy, "/trigger", &[("gimme", "x")]).json()["request"]["path"], "/trigger");
}

#[test]
fn correlation_ids_reach_upstream_and_client() {
    let gateway = start(
        "correlation-id",
        &[
            ("counter", "header_name: X-Id, generator: 'uuid#counter', echo_downstream: true"),
            ("uuid", "header_name: X-Id, generator: uuid, echo_downstream: true"),
            ("tracker", "header_name: X-Id, generator: tracker, echo_downstream: true"),
            ("silent", ""),
        ],
    );
    let both = |path: &str, fields: &[(&str, &str)]| {
        let reply = get(gateway.proxy, path, fields);
        let upstream = reply.json()["headers"]["x-id"][0].as_str().unwrap_or_default().to_string();
        assert_eq!(reply.field("X-Id"), Some(upstream.as_str()), "{path}");
        upstream
    };
    let id = both("/counter", &[]);
    let (uuid, number) = id.split_once('#').expect("a counter");
    assert_eq!((uuid.len(), number.parse::<u64>().is_ok()), (36, true));
    let (one, two) = (both("/uuid", &[]), both("/uuid", &[]));
    assert!(one.len() == 36 && one != two);
    let id = both("/tracker", &[]);
    let start = format!("127.0.0.1-{}-", gateway.proxy);
    assert!(id.starts_with(&start) && id.split('-').count() == 6, "{id}");
    assert_eq!(both("/uuid", &[("X-Id", "given")]), "given");
    assert_eq!(both("/uuid", &[("X-Id", "")]).len(), 36);
    let reply = get(gateway.proxy, "/silent", &[]);
    assert!(reply.json()["headers"]["kong-request-id"][0].is_string());
    assert_eq!(reply.field("Kong-Request-ID"), None);
}

#[test]
fn filters_run_when_the_upstream_cannot_be_reached() {
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: http://127.0.0.1:{}
  retries: 0
  routes: [{{paths: [/]}}]
  plugins:
  - {{name: correlation-id, config: {{header_name: X-Id, echo_downstream: true}}}}
  - {{name: cors}}
  - {{name: rate-limiting, config: {{hour: 9, policy: local}}}}
",
        free_port()
    ))
    .start();
    let reply = get(gateway.proxy, "/", &[("X-Id", "given"), ("Origin", "a.test")]);
    assert_eq!(reply.status, 502);
    assert_eq!(
        fields(&reply, &["X-Id", "Access-Control-Allow-Origin", "RateLimit-Limit"]),
        ["given", "*", "9"]
    );
}
