//! What Admin and Status API write into their logs.

use crate::support::{Setup, get, request};

const EMPTY: &str = "_format_version: '3.0'\n";

#[test]
fn each_api_writes_its_own_access_log_in_the_format_of_its_property() {
    let gateway = Setup::declarative(EMPTY)
        .with("status_access_log", "logs/status_access.log short")
        .with("nginx_http_log_format", "short '$status $request_method $request_uri'")
        .start();
    let log =
        |name: &str| std::fs::read_to_string(gateway.prefix.join("logs").join(name)).unwrap_or_default();
    assert_eq!(get(gateway.admin, "/services?size=3", &[("User-Agent", "curl/8")]).status, 200);
    assert_eq!(request(gateway.admin, "HEAD", "/nothing", &[], b"").status, 404);
    assert_eq!(get(gateway.status, "/status", &[]).status, 200);
    gateway.eventually("the lines", |_| {
        log("admin_access.log").lines().count() == 2 && !log("status_access.log").is_empty()
    });
    let admin = log("admin_access.log");
    let lines: Vec<&str> = admin.lines().collect();
    assert!(lines[0].starts_with("127.0.0.1 - - ["), "{admin}");
    let length = get(gateway.admin, "/services?size=3", &[]).body.len();
    let end = format!("] \"GET /services?size=3 HTTP/1.1\" 200 {length} \"-\" \"curl/8\"");
    assert!(lines[0].ends_with(&end), "{admin}");
    assert!(lines[1].ends_with("] \"HEAD /nothing HTTP/1.1\" 404 0 \"-\" \"-\""), "{admin}");
    assert_eq!(log("status_access.log"), "200 GET /status\n");
    assert!(!log("access.log").contains("/services"));
}

#[test]
fn logs_that_are_off_are_not_there() {
    let gateway =
        Setup::declarative(EMPTY).with("admin_access_log", "off").with("proxy_access_log", "off").start();
    assert_eq!(get(gateway.admin, "/", &[]).status, 200);
    assert_eq!(get(gateway.proxy, "/", &[]).status, 404);
    assert!(gateway.command("quit", &[]).status.success());
    for name in ["access.log", "admin_access.log"] {
        let text = std::fs::read_to_string(gateway.prefix.join("logs").join(name)).unwrap_or_default();
        assert_eq!(text, "", "{name}");
    }
}
