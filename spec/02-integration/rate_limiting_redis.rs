//! rate-limiting with counters in Redis, against a real server.

use crate::support::{Gateway, Redis, RedisReply, Reply, Setup, Upstream, free_port, get};
use std::time::Duration;

/// A gateway with a route `/name` for each configuration of the plugin.
fn start(configs: &[(&str, String)], settings: &[(&str, &str)]) -> Gateway {
    let upstream = Upstream::start();
    let mut text = format!("_format_version: '3.0'\nservices:\n- url: {}\n  routes:\n", upstream.url());
    for (name, config) in configs {
        text.push_str(&format!(
            "  - name: {name}\n    paths: [/{name}]\n    plugins:\n    - name: rate-limiting\n      config: \
            {{policy: redis, {config}}}\n"
        ));
    }
    let setup = Setup::declarative(text).with("nginx_main_worker_processes", "1");
    settings.iter().fold(setup, |setup, (name, value)| setup.with(name, *value)).start()
}

fn at(port: u16) -> String {
    format!("host: 127.0.0.1, port: {port}")
}

/// Status and what is left, `-` where no header says so.
fn left(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.field("RateLimit-Remaining").unwrap_or("-"))
}

fn without_server() {
    eprintln!("skipped: redis-server is not installed");
}

#[test]
fn each_request_is_counted_in_redis_and_the_last_one_refused() {
    let Some(redis) = Redis::start() else { return without_server() };
    let configs = [
        ("one", format!("hour: 2, redis: {{{}}}", at(redis.port))),
        ("two", format!("hour: 9, day: 9, redis: {{{}, database: 3}}", at(redis.port))),
        (
            "quiet",
            format!(
                "hour: 1, hide_client_headers: true, error_code: 503, error_message: Later, redis: {{{}, database: 4}}",
                at(redis.port)
            ),
        ),
        ("old", format!("hour: 1, redis_host: 127.0.0.1, redis_port: {}, redis_database: 5", redis.port)),
    ];
    let gateway = start(&configs, &[]);
    for expected in [(200, "1"), (200, "0"), (429, "0")] {
        let reply = get(gateway.proxy, "/one", &[]);
        assert_eq!(left(&reply), expected);
        assert_eq!(reply.field("Retry-After").is_some(), expected.0 == 429);
    }
    let [key] = &redis.keys(0)[..] else { panic!("{:?}", redis.keys(0)) };
    assert!(key.starts_with("ratelimit:") && key.contains(":127.0.0.1:") && key.ends_with(":hour"), "{key}");
    assert_eq!(redis.ask(0, &["GET", key]), RedisReply::Text("3".to_owned()));
    assert!(matches!(redis.ask(0, &["TTL", key]), RedisReply::Number(3590..=3600)));
    assert_eq!(left(&get(gateway.proxy, "/two", &[])), (200, "8"));
    assert_eq!(redis.keys(3).len(), 2);
    assert_eq!(left(&get(gateway.proxy, "/quiet", &[])), (200, "-"));
    let reply = get(gateway.proxy, "/quiet", &[]);
    assert_eq!((left(&reply), reply.json()["message"].as_str()), ((503, "-"), Some("Later")));
    assert_eq!(left(&get(gateway.proxy, "/old", &[])), (200, "0"));
    assert_eq!(redis.keys(5).len(), 1);
}

#[test]
fn users_passwords_and_tls_are_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let Some((redis, tls, authority)) = Redis::start_with_tls(folder.path(), "redis.test") else {
        return without_server();
    };
    for (user, password, rules) in [("counts", "secret", "+@all"), ("reads", "secret", "+get")] {
        redis.ask(0, &["ACL", "SETUSER", user, "on", &format!(">{password}"), "allkeys", rules]);
    }
    let plain = at(redis.port);
    let secure = format!("{}, ssl: true", at(tls));
    let configs = [
        ("user", format!("hour: 5, redis: {{{plain}, username: counts, password: secret}}")),
        (
            "wrong",
            format!(
                "hour: 5, fault_tolerant: false, redis: {{{plain}, username: counts, password: wrong, database: 1}}"
            ),
        ),
        (
            "reader",
            format!("hour: 5, fault_tolerant: false, redis: {{{plain}, username: reads, password: secret}}"),
        ),
        ("tls", format!("hour: 5, fault_tolerant: false, redis: {{{secure}, database: 2}}")),
        (
            "verified",
            format!(
                "hour: 5, fault_tolerant: false, redis: {{{secure}, ssl_verify: true, server_name: redis.test}}"
            ),
        ),
        ("nameless", format!("hour: 5, fault_tolerant: false, redis: {{{secure}, ssl_verify: true}}")),
        (
            "other",
            format!(
                "hour: 5, fault_tolerant: false, redis: {{{secure}, ssl_verify: true, server_name: other.test}}"
            ),
        ),
    ];
    let authority = authority.display().to_string();
    let gateway = start(&configs, &[("lua_ssl_trusted_certificate", &authority)]);
    for (path, status) in [
        ("/user", 200),
        ("/wrong", 500),
        ("/reader", 500),
        ("/tls", 200),
        ("/verified", 200),
        ("/nameless", 200),
        ("/other", 500),
        ("/user", 200),
    ] {
        assert_eq!(get(gateway.proxy, path, &[]).status, status, "{path}");
    }
    gateway.wait_for_log("failed to auth Redis: ");
    gateway.wait_for_log("certificate host mismatch");
    assert_eq!(redis.keys(2).len(), 1);
}

#[test]
fn without_redis_requests_pass_or_fail_as_configured() {
    let nobody = free_port();
    let redis = format!("redis: {{{}}}", at(nobody));
    let configs = [
        ("tolerant", format!("hour: 1, {redis}")),
        ("strict", format!("hour: 1, fault_tolerant: false, {redis}")),
    ];
    let gateway = start(&configs, &[]);
    for _ in 0..2 {
        assert_eq!(left(&get(gateway.proxy, "/tolerant", &[])), (200, "-"));
    }
    gateway.wait_for_log("failed to get usage: connection refused");
    let reply = get(gateway.proxy, "/strict", &[]);
    assert_eq!((reply.status, reply.json()["message"].as_str()), (500, Some("An unexpected error occurred")));
    gateway.wait_for_log("failed to connect to Redis: connection refused");
}

#[test]
fn with_a_sync_rate_a_worker_counts_by_itself_and_tells_redis_later() {
    let Some(redis) = Redis::start() else { return without_server() };
    let configs = [("synced", format!("hour: 3, sync_rate: 3, redis: {{{}}}", at(redis.port)))];
    let gateway = start(&configs, &[]);
    for expected in [(200, "2"), (200, "1"), (200, "0"), (429, "0"), (429, "0")] {
        assert_eq!(left(&get(gateway.proxy, "/synced", &[])), expected);
    }
    let [key] = &redis.keys(0)[..] else { panic!("{:?}", redis.keys(0)) };
    let counted = || redis.ask(0, &["GET", key]);
    assert_eq!(counted(), RedisReply::Text("1".to_owned()), "only the first request asked");
    gateway.eventually("the sum of what was let through", |_| counted() == RedisReply::Text("3".to_owned()));
    // What another node counts holds from the next interval on.
    redis.ask(0, &["SET", key, "1", "KEEPTTL"]);
    std::thread::sleep(Duration::from_millis(3500));
    assert_eq!(left(&get(gateway.proxy, "/synced", &[])), (200, "1"));
}

#[test]
fn as_many_as_the_limit_says_get_through_at_once() {
    let Some(redis) = Redis::start() else { return without_server() };
    let gateway = start(&[("race", format!("hour: 5, redis: {{{}}}", at(redis.port)))], &[]);
    let port = gateway.proxy;
    let threads: Vec<_> =
        (0..20).map(|_| std::thread::spawn(move || get(port, "/race", &[]).status)).collect();
    let passed = threads.into_iter().map(|thread| thread.join().expect("an answer"));
    assert_eq!(passed.filter(|status| *status == 200).count(), 5);
}
