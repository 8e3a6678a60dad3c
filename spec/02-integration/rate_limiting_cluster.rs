//! rate-limiting with counters in the database.

use crate::support::{Gateway, Setup, Upstream, get, request};
use serde_json::{Value, json};

fn create(gateway: &Gateway, path: &str, body: &Value) -> Value {
    let fields = [("Content-Type", "application/json")];
    let reply = request(gateway.admin, "POST", path, &fields, body.to_string().as_bytes());
    assert_eq!(reply.status, 201, "{path}: {}", reply.text());
    reply.json()
}

#[test]
fn the_database_counts_for_all_workers_and_through_a_restart() {
    let upstream = Upstream::start();
    let gateway = Setup::default().with("database", "sqlite").start();
    create(&gateway, "/services", &json!({"name": "s", "url": upstream.url()}));
    create(&gateway, "/services/s/routes", &json!({"name": "r", "paths": ["/"]}));
    create(
        &gateway,
        "/routes/r/plugins",
        &json!({"name": "rate-limiting", "config": {"policy": "cluster", "hour": 4, "day": 9}}),
    );
    gateway.eventually("the route", |gateway| get(gateway.proxy, "/", &[]).status != 404);
    // Counting goes on behind the response.
    let left = || {
        std::thread::sleep(std::time::Duration::from_millis(150));
        let reply = get(gateway.proxy, "/", &[]);
        (reply.status, reply.field("X-RateLimit-Remaining-Hour").unwrap_or("-").to_owned())
    };
    gateway.eventually("the limit", |_| left() == (429, "0".to_owned()));
    let conf = gateway.conf_file();
    assert!(gateway.command("restart", &["-c", conf.to_str().expect("utf-8")]).status.success());
    gateway.eventually("an answer", |gateway| {
        std::net::TcpStream::connect(("127.0.0.1", gateway.proxy)).is_ok()
    });
    assert_eq!(left(), (429, "0".to_owned()));
}
