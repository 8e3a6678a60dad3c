//! Upstreams that are slow, absent, or fail: timeouts, retries, balancing.

use crate::support::{Connection, Gateway, Reply, Setup, Upstream, free_port, get, request, spawn_raw};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn start(text: String) -> Gateway {
    Setup::declarative(format!("_format_version: '3.0'\n{text}")).start()
}

/// Accepts connections and closes each one after the request head; counts them.
fn hangs_up() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    (port, count)
}

fn message(reply: &Reply) -> String {
    reply.json()["message"].as_str().unwrap_or_default().to_string()
}

const JSON: [(&str, &str); 1] = [("Accept", "application/json")];

#[test]
fn what_goes_wrong_with_an_upstream_has_its_status() {
    let (hang_up, _) = hangs_up();
    let dead = free_port();
    let garbage = spawn_raw(b"HTP/1.1 200 OK\r\n\r\n");
    let partial = spawn_raw(b"HTTP/1.1 200 OK\r\nContent-Le");
    let upstream = Upstream::start();
    let invalid = "An invalid response was received from the upstream server";
    let table = [
        (format!("http://127.0.0.1:{hang_up}"), 502, invalid),
        (format!("http://127.0.0.1:{dead}"), 502, invalid),
        (format!("http://127.0.0.1:{garbage}"), 502, invalid),
        (format!("http://127.0.0.1:{partial}"), 502, invalid),
        (format!("https://127.0.0.1:{}", upstream.port), 502, invalid),
        (format!("{}/delay/3000", upstream.url()), 504, "The upstream server is timing out"),
        ("http://does-not-exist.invalid".to_string(), 503, "name resolution failed"),
        ("http://empty.upstream".to_string(), 503, "failure to get a peer from the ring-balancer"),
    ];
    let mut text = "upstreams:\n- name: empty.upstream\nservices:\n".to_string();
    for (index, (url, _, _)) in table.iter().enumerate() {
        text.push_str(&format!(
            "- {{name: s{index}, url: '{url}', retries: 0, read_timeout: 200, connect_timeout: 200, routes: [{{name: r{index}, hosts: [h{index}.test]}}]}}\n"
        ));
    }
    let gateway = start(text);
    for (index, (url, status, expected)) in table.iter().enumerate() {
        let host = format!("h{index}.test");
        let reply = get(gateway.proxy, "/", &[("Host", &host), JSON[0]]);
        assert_eq!((reply.status, message(&reply).as_str()), (*status, *expected), "{url}");
    }
}

#[test]
fn latencies_are_told_of_errors_too() {
    let dead = free_port();
    let gateway = start(format!(
        "services:\n- {{url: 'http://127.0.0.1:{dead}', retries: 0, routes: [{{paths: [/]}}]}}\n"
    ));
    let reply = get(gateway.proxy, "/", &[]);
    assert_eq!(reply.status, 502);
    for (name, there) in [
        ("X-Kong-Upstream-Latency", true),
        ("X-Kong-Proxy-Latency", true),
        ("X-Kong-Response-Latency", false),
        ("Via", true),
    ] {
        assert_eq!(reply.field(name).is_some(), there, "{name}: {reply:?}");
    }
    assert_eq!(reply.field("Server"), Some("kong/3.9.3"));
}

#[test]
fn a_failed_try_is_repeated_as_often_as_the_service_says() {
    for (retries, method, tries) in [(0, "GET", 1), (1, "GET", 2), (5, "GET", 6), (5, "POST", 1)] {
        let (port, count) = hangs_up();
        let gateway = start(format!(
            "services:\n- {{url: 'http://127.0.0.1:{port}', retries: {retries}, routes: [{{paths: [/]}}]}}\n"
        ));
        let reply = request(gateway.proxy, method, "/", &[], if method == "POST" { b"x" } else { b"" });
        assert_eq!(reply.status, 502);
        assert_eq!(count.load(Ordering::SeqCst), tries, "{retries} retries of {method}");
    }
}

#[test]
fn a_try_after_a_refused_connection_goes_to_another_target() {
    let (dead, upstream) = (free_port(), Upstream::start());
    let gateway = start(format!(
        "upstreams:
- name: u
  targets:
  - {{target: '127.0.0.1:{dead}', weight: 100}}
  - {{target: '127.0.0.1:{}', weight: 100}}
services:
- {{url: 'http://u/base', retries: 5, routes: [{{paths: [/]}}]}}
",
        upstream.port
    ));
    for _ in 0..10 {
        let reply = request(gateway.proxy, "POST", "/x", &[], b"the body");
        assert_eq!((reply.status, reply.json()["uri"].as_str()), (200, Some("/base/x")));
        assert_eq!(reply.json()["body"], "the body");
    }
}

#[test]
fn targets_are_chosen_by_weight_and_see_the_upstreams_host() {
    let upstreams = [Upstream::start(), Upstream::start()];
    let [a, b] = &upstreams;
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
upstreams:
- name: u
  targets:
  - {{target: '127.0.0.1:{}', weight: 10}}
  - {{target: '127.0.0.1:{}', weight: 30}}
- name: v
  host_header: shown.test
  targets: [{{target: '127.0.0.1:{}'}}]
services:
- {{url: 'http://u', routes: [{{paths: [/]}}]}}
- {{url: 'http://v', routes: [{{paths: [/v]}}, {{paths: [/kept], preserve_host: true}}]}}
",
        a.port, b.port, a.port
    ))
    .with("nginx_main_worker_processes", "1")
    .start();
    let mut hits = BTreeMap::new();
    let mut connection = Connection::open(gateway.proxy);
    for _ in 0..40 {
        let host =
            connection.get("/", &[]).json()["headers"]["host"][0].as_str().unwrap_or_default().to_string();
        *hits.entry(host).or_insert(0) += 1;
    }
    let expected =
        BTreeMap::from([(format!("127.0.0.1:{}", a.port), 10), (format!("127.0.0.1:{}", b.port), 30)]);
    assert_eq!(hits, expected);
    let host =
        |path, fields: &[(&str, &str)]| get(gateway.proxy, path, fields).json()["headers"]["host"][0].clone();
    assert_eq!(host("/v", &[]), format!("shown.test:{}", a.port));
    assert_eq!(host("/kept", &[("Host", "kept.test:99")]), "kept.test:99");
}

#[test]
fn consistent_hashing_sends_the_same_value_to_the_same_target() {
    let upstreams: Vec<_> = (0..4).map(|_| Upstream::start()).collect();
    let targets: String =
        upstreams.iter().map(|u| format!("  - {{target: '127.0.0.1:{}'}}\n", u.port)).collect();
    let gateway = start(format!(
        "upstreams:
- name: u
  hash_on: header
  hash_on_header: X-Key
  targets:
{targets}- name: c
  hash_on: cookie
  hash_on_cookie: sticky
  targets:
{targets}services:
- {{url: 'http://u', routes: [{{paths: [/]}}]}}
- {{url: 'http://c', routes: [{{paths: [/cookie]}}]}}
"
    ));
    let target = |key: &str| get(gateway.proxy, "/", &[("X-Key", key)]).json()["headers"]["host"][0].clone();
    let mut targets = std::collections::BTreeSet::new();
    for key in 0..20 {
        let key = format!("key-{key}");
        let first = target(&key);
        assert!((0..4).all(|_| target(&key) == first), "{key}");
        targets.insert(first.to_string());
    }
    assert!(targets.len() > 1, "{targets:?}");
    let reply = get(gateway.proxy, "/cookie", &[]);
    let cookie = reply.field("Set-Cookie").expect("a cookie").to_string();
    assert!(
        cookie.starts_with("sticky=") && cookie.ends_with("; Path=/; Same-Site=Lax; HttpOnly"),
        "{cookie}"
    );
    let first = reply.json()["headers"]["host"][0].clone();
    let (pair, _) = cookie.split_once(';').expect("attributes");
    for _ in 0..5 {
        let reply = get(gateway.proxy, "/cookie", &[("Cookie", pair)]);
        assert_eq!(reply.json()["headers"]["host"][0], first);
        assert_eq!(reply.field("Set-Cookie"), None);
    }
}
