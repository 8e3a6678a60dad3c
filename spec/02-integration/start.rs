//! Starting and stopping.

use crate::support::{Setup, Upstream, get, kong};

#[test]
fn version_is_that_of_the_release_we_are_compatible_with() {
    let output = kong(&["version"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3.9.3\n");
    assert!(output.status.success());
}

#[test]
fn a_started_gateway_is_healthy_refuses_a_second_start_and_stops() {
    let gateway = Setup::declarative("_format_version: '3.0'\n").start();
    let health = gateway.command("health", &[]);
    assert!(health.status.success());
    assert!(String::from_utf8_lossy(&health.stdout).contains("Kong is healthy at"));

    let conf = gateway.conf_file();
    let second = kong(&["start", "-c", conf.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("Kong is already running in"));

    let stop = gateway.command("stop", &[]);
    assert_eq!(String::from_utf8_lossy(&stop.stdout), "Kong stopped\n");
    assert_eq!(gateway.command("health", &[]).status.code(), Some(1));
}

#[test]
fn a_broken_declarative_file_refuses_the_start_and_names_what_is_wrong() {
    let yaml = "_format_version: '3.0'\nservices:\n- name: s\n  host: a\n  port: seventy\n";
    let (_gateway, output) = Setup::declarative(yaml).try_start();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("error parsing declarative config file"), "{said}");
    assert!(said.contains("port: expected an integer"), "{said}");
}

#[test]
fn a_request_passes_key_auth_and_rate_limiting() {
    let upstream = Upstream::start();
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
services:
- name: echo
  url: {}
  routes:
  - name: echo
    paths: [/echo]
  plugins:
  - name: key-auth
  - name: rate-limiting
    config: {{ minute: 2, policy: local }}
consumers:
- username: alice
  keyauth_credentials:
  - key: secret
",
        upstream.url()
    ))
    .start();
    let refused = get(gateway.proxy, "/echo", &[]);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["message"], "No API key found in request");
    assert_eq!(refused.field("WWW-Authenticate"), Some("Key"));

    let served = get(gateway.proxy, "/echo/x?a=b", &[("apikey", "secret")]);
    assert_eq!(served.status, 200, "{}", served.text());
    let seen = served.json();
    assert_eq!(seen["uri"], "/x?a=b");
    assert_eq!(seen["headers"]["x-consumer-username"][0], "alice");
    assert_eq!(seen["headers"]["x-forwarded-prefix"][0], "/echo");
    assert_eq!(served.field("X-RateLimit-Remaining-Minute"), Some("1"));

    get(gateway.proxy, "/echo", &[("apikey", "secret")]);
    let limited = get(gateway.proxy, "/echo", &[("apikey", "secret")]);
    assert_eq!(limited.status, 429);
    assert_eq!(limited.json()["message"], "API rate limit exceeded");
}
