//! The TLS listener: certificates by SNI, HTTP/2, routes by SNI, and TLS towards upstreams.

use crate::support::{Gateway, Setup, Upstream, request};
use std::process::{Command, Output};

/// What `curl` shows of one exchange.
struct Shown {
    status: u16,
    version: String,
    /// Head, body, and what `-v` tells of the handshake.
    text: String,
}

impl Shown {
    fn subject(&self) -> &str {
        self.text.lines().find_map(|line| line.strip_prefix("*  subject: ")).unwrap_or_default()
    }

    fn has_line(&self, line: &str) -> bool {
        self.text.lines().any(|l| l.trim_end() == line)
    }
}

/// Asks for `path` on the TLS listener under the name `host`.
fn curl(gateway: &Gateway, host: &str, path: &str, arguments: &[&str]) -> Shown {
    let Output { stdout, stderr, .. } = Command::new("curl")
        .args(["-skvi", "-m", "10", "--noproxy", "*", "-w", "\n%{http_code} %{http_version}"])
        .args(["--resolve", &format!("{host}:{}:127.0.0.1", gateway.tls)])
        .args(arguments)
        .arg(format!("https://{host}:{}{path}", gateway.tls))
        .output()
        .expect("curl runs");
    let out = String::from_utf8_lossy(&stdout).into_owned();
    let last = out.lines().last().unwrap_or_default().to_string();
    let (status, version) = last.split_once(' ').unwrap_or_default();
    Shown {
        status: status.parse().unwrap_or(0),
        version: version.to_string(),
        text: format!("{}\n{out}", String::from_utf8_lossy(&stderr)),
    }
}

/// A certificate for `name` as the two lines a declarative file wants.
fn certificate(name: &str) -> String {
    let mut params = rcgen::CertificateParams::new(vec![name.to_string()]).expect("a name");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().expect("a key");
    let cert = params.self_signed(&key).expect("a certificate");
    let line = |pem: String| pem.trim_end().replace('\n', "\\n");
    format!("cert: \"{}\"\n  key: \"{}\"", line(cert.pem()), line(key.serialize_pem()))
}

fn start(snis: &[(&str, &str)]) -> Gateway {
    let mut text = format!(
        "_format_version: '3.0'
services:
- url: {}
  routes:
  - {{name: all, paths: [/]}}
  - {{name: by-sni, paths: [/sni], snis: [sni.test], protocols: [https]}}
  - {{name: plain, paths: [/plain], protocols: [http]}}
certificates:
",
        Upstream::start().url()
    );
    for (common_name, sni) in snis {
        text.push_str(&format!("- {}\n  snis: [{{name: '{sni}'}}]\n", certificate(common_name)));
    }
    Setup::declarative(text).start()
}

#[test]
fn the_certificate_is_the_one_of_the_best_matching_sni() {
    let gateway = start(&[
        ("exact", "www.wild.test"),
        ("prefix", "*.wild.test"),
        ("suffix", "wild.*"),
        ("single", "single.test"),
    ]);
    for (name, subject) in [
        ("www.wild.test", "exact"),
        ("any.wild.test", "prefix"),
        ("wild.test", "suffix"),
        ("wild.org", "suffix"),
        ("single.test", "single"),
        ("SINGLE.test", "single"),
    ] {
        let shown = curl(&gateway, name, "/", &[]);
        assert_eq!(
            (shown.status, shown.subject()),
            (200, format!("CN={subject}").as_str()),
            "{name}: {}",
            shown.text
        );
    }
    let shown = curl(&gateway, "unknown.test", "/", &[]);
    assert_eq!(shown.status, 200);
    assert_eq!(
        shown.subject(),
        "C=US; ST=California; L=San Francisco; O=Kong; OU=IT Department; CN=localhost"
    );
}

#[test]
fn a_certificate_for_any_name_replaces_the_default_one() {
    let gateway = start(&[("any", "*")]);
    for name in ["unknown.test", "localhost"] {
        assert_eq!(curl(&gateway, name, "/", &[]).subject(), "CN=any", "{name}");
    }
}

#[test]
fn http_2_and_1_are_spoken_as_the_client_asks() {
    let gateway = start(&[]);
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let shown = curl(&gateway, "a.test", "/x?y", &[flag, "-d", "the body", "-H", "X-Mine: 1"]);
        assert_eq!((shown.status, shown.version.as_str()), (200, version), "{}", shown.text);
        assert!(shown.text.contains("\"body\":\"the body\""), "{}", shown.text);
        assert!(shown.text.contains(&format!("\"via\":[\"{version} kong/3.9.3\"]")), "{}", shown.text);
        assert!(shown.text.contains("\"x-forwarded-proto\":[\"https\"]"), "{}", shown.text);
        let via = if version == "2" { "via: 1.1 kong/3.9.3" } else { "Via: 1.1 kong/3.9.3" };
        assert!(shown.has_line(via), "{}", shown.text);
        let shown = curl(&gateway, "a.test", "/", &[flag, "-I"]);
        assert_eq!(shown.status, 200, "{}", shown.text);
        let shown = curl(
            &gateway,
            "a.test",
            "/bytes/3000000",
            &[flag, "-o", "/dev/null", "-w", "%{size_download}\n200 x"],
        );
        assert!(shown.text.contains("\n3000000\n") || shown.text.contains("3000000"), "{}", shown.text);
        let shown = curl(&gateway, "a.test", "/plain", &[flag]);
        assert_eq!(shown.status, 200, "{}", shown.text);
    }
}

#[test]
fn routes_match_on_sni_over_tls_only() {
    let gateway = start(&[]);
    let prefix = |shown: &Shown| shown.text.contains("\"x-forwarded-prefix\":[\"/sni\"]");
    assert!(prefix(&curl(&gateway, "sni.test", "/sni", &[])));
    assert!(!prefix(&curl(&gateway, "other.test", "/sni", &[])));
    assert!(prefix(&curl(&gateway, "sni.test", "/sni", &["--http2"])));
}

#[test]
fn a_plain_request_to_the_tls_port_is_told_so() {
    let gateway = start(&[]);
    let reply = request(gateway.tls, "GET", "/", &[], b"");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("The plain HTTP request was sent to HTTPS port"), "{}", reply.text());
}

#[test]
fn an_upstream_certificate_is_verified_when_the_service_says_so() {
    let upstream = start(&[("upstream.test", "upstream.test")]);
    let port = upstream.tls;
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
services:
- name: lax
  url: https://localhost:{port}
  routes: [{{paths: [/lax]}}]
- name: strict
  url: https://localhost:{port}
  tls_verify: true
  retries: 0
  routes: [{{paths: [/strict]}}]
"
    ))
    .start();
    let reply = crate::support::get(gateway.proxy, "/lax", &[]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = crate::support::get(gateway.proxy, "/strict", &[]);
    assert_eq!(reply.status, 502, "{}", reply.text());
}
