//! Certificates in the hands of plugins, in real handshakes: with clients (curl, `openssl s_client`), with upstreams
//! (nginx), and nginx's judgement of clients' certificates next to ours.

use crate::support::{Gateway, Nginx, Setup, get, request, s_client};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate and its key on disk.
#[derive(Clone)]
struct Pair {
    cert: PathBuf,
    key: PathBuf,
    text: (String, String),
}

impl Pair {
    fn write(folder: &Path, name: &str, cert: String, key: &KeyPair) -> Pair {
        let pair = Pair {
            cert: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
            text: (cert, key.serialize_pem()),
        };
        fs::write(&pair.cert, &pair.text.0).unwrap();
        fs::write(&pair.key, &pair.text.1).unwrap();
        pair
    }
}

/// An authority, one below it, and what they issued.
struct Pki {
    folder: tempfile::TempDir,
    root: Pair,
    other_root: Pair,
    /// Issued by the root.
    direct: Pair,
    /// Issued by the authority below, which is in the file.
    indirect: Pair,
    /// Issued by the root, and over.
    expired: Pair,
    /// Issued by itself.
    own: Pair,
    /// The server `localhost`, issued by the root.
    server: Pair,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Pki {
    fn make() -> Pki {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let root = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap();
        let middle =
            CertifiedIssuer::signed_by(authority("middle"), KeyPair::generate().unwrap(), &root).unwrap();
        let other = CertifiedIssuer::self_signed(authority("other"), KeyPair::generate().unwrap()).unwrap();
        let issue = |name: &str, params: CertificateParams, issuer: &CertifiedIssuer<'_, KeyPair>| {
            let key = KeyPair::generate().unwrap();
            Pair::write(at, name, params.signed_by(&key, issuer).unwrap().pem(), &key)
        };
        let mut indirect = issue("indirect", named("indirect"), &middle);
        indirect.text.0 += &middle.pem();
        fs::write(&indirect.cert, &indirect.text.0).unwrap();
        let mut over = named("expired");
        (over.not_before, over.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        let key = KeyPair::generate().unwrap();
        Pki {
            direct: issue("direct", named("direct"), &root),
            expired: issue("expired", over, &root),
            server: issue("server", named("localhost"), &root),
            own: Pair::write(at, "own", named("own").self_signed(&key).unwrap().pem(), &key),
            root: Pair::write(at, "root", root.pem(), root.key()),
            other_root: Pair::write(at, "other", other.pem(), other.key()),
            indirect,
            folder,
        }
    }

    /// A gateway whose plugins act by the server name of the client.
    fn gateway(&self) -> Gateway {
        let certificate = format!(
            r#"
local ssl = require "ngx.ssl"
local name = ssl.server_name()
if name == "ask.test" or name == "once.test" then
  local chain = require("resty.openssl.x509.chain").new()
  chain:add(require("resty.openssl.x509").new([[{root}]]))
  assert(kong.client.tls.request_client_certificate(chain.ctx))
end
if name == "any.test" then
  assert(kong.client.tls.request_client_certificate())
elseif name == "parsed.test" then
  assert(ssl.verify_client(assert(ssl.parse_pem_cert([[{root}]])), 3))
elseif name == "once.test" then
  assert(kong.client.tls.disable_session_reuse())
elseif name == "own.test" then
  assert(ssl.clear_certs())
  assert(ssl.set_cert(ssl.parse_pem_cert([[{own}]])))
  assert(ssl.set_priv_key(ssl.parse_pem_priv_key([[{own_key}]])))
elseif name == "der.test" then
  assert(ssl.set_der_cert(ssl.cert_pem_to_der([[{own}]])))
  assert(ssl.set_der_priv_key(ssl.priv_key_pem_to_der([[{own_key}]])))
elseif name == "bare.test" then
  assert(ssl.clear_certs())
elseif name == "thrown.test" then
  error("not with me")
end"#,
            root = self.root.text.0,
            own = self.own.text.0,
            own_key = self.own.text.1,
        );
        let access = r#"
local early, why = require("ngx.ssl").clear_certs()
kong.response.exit(200, {
  verify = ngx.var.ssl_client_verify, subject = ngx.var.ssl_client_s_dn, reused = ngx.var.ssl_session_reused,
  chain = kong.client.tls.get_full_client_certificate_chain(), early = early, why = why,
  logged = kong.client.tls.set_client_verify("FAILED:by the plugin"),
})"#;
        let log = r#"kong.log.notice("judged: ", kong.log.serialize().request.tls.client_verify)"#;
        let yaml = json!({
            "_format_version": "3.0",
            "services": [{ "url": "http://127.0.0.1:1", "routes": [{ "paths": ["/"] }] }],
            "plugins": [{ "name": "pre-function",
                          "config": { "certificate": [certificate], "access": [access], "log": [log] } }],
        });
        Setup::declarative(yaml.to_string()).with("untrusted_lua", "on").start()
    }
}

/// What `curl` gets from a server, whose certificates it does not check, under a name and with a certificate.
fn curl(port: u16, name: &str, pair: Option<&Pair>, more: &[&str]) -> String {
    let mut command = Command::new("curl");
    command
        .args(["-skv", "-m", "10", "--noproxy", "*"])
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")]);
    if let Some(pair) = pair {
        command.arg("--cert").arg(&pair.cert).arg("--key").arg(&pair.key);
    }
    let output = command.args(more).arg(format!("https://{name}:{port}/")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let subject = said.lines().find_map(|line| line.strip_prefix("*  subject: ")).unwrap_or_default();
    format!("{subject}\n{}", String::from_utf8_lossy(&output.stdout))
}

fn answer(port: u16, name: &str, pair: Option<&Pair>, more: &[&str]) -> Value {
    let text = curl(port, name, pair, more);
    serde_json::from_str(text.split_once('\n').unwrap().1).unwrap_or_else(|_| panic!("{name}: {text}"))
}

#[test]
fn a_plugin_asks_for_the_clients_certificate_and_sees_it_judged() {
    let pki = Pki::make();
    let gateway = pki.gateway();
    for version in ["1.2", "1.3"] {
        let more = ["--tls-max", version];
        let none = answer(gateway.tls, "other.test", Some(&pki.direct), &more);
        assert_eq!((&none["verify"], &none["chain"]), (&json!("NONE"), &Value::Null), "it was not asked for");
        let asked = answer(gateway.tls, "ask.test", Some(&pki.direct), &more);
        assert_eq!(
            (&asked["verify"], &asked["subject"]),
            (&json!("SUCCESS"), &json!("CN=direct")),
            "{asked}"
        );
        assert_eq!(asked["chain"].as_str().unwrap().trim(), pki.direct.text.0.replace('\r', "").trim());
        assert_eq!(asked["why"], "bad ssl conn", "afterwards there is no handshake to change");
        assert_eq!(answer(gateway.tls, "ask.test", None, &more)["verify"], "NONE");
        let parsed = answer(gateway.tls, "parsed.test", Some(&pki.indirect), &more);
        assert_eq!(parsed["verify"], "SUCCESS", "three steps are allowed: {parsed}");
        assert_eq!(parsed["chain"].as_str().unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    }
    let http2 = answer(gateway.tls, "ask.test", Some(&pki.direct), &["--http2"]);
    assert_eq!(http2["verify"], "SUCCESS");
    gateway.wait_for_log("judged: FAILED:by the plugin");
}

#[test]
fn clients_certificates_are_judged_as_nginx_judges_them() {
    let pki = Pki::make();
    let gateway = pki.gateway();
    let judge = |authorities: &Path, depth: u32| {
        Nginx::over_tls(
            &pki.server.cert,
            &pki.server.key,
            &format!(
                "ssl_verify_client optional_no_ca; ssl_client_certificate {}; ssl_verify_depth {depth};
    error_page 495 =200 @judged;
    location / {{ return 200 '{{\"verify\": \"$ssl_client_verify\"}}'; }}
    location @judged {{ return 200 '{{\"verify\": \"$ssl_client_verify\"}}'; }}",
                authorities.display()
            ),
        )
    };
    let (Some(direct), Some(deep)) = (judge(&pki.root.cert, 0), judge(&pki.root.cert, 3)) else { return };
    let pairs = [None, Some(&pki.direct), Some(&pki.indirect), Some(&pki.expired), Some(&pki.own)];
    for pair in pairs {
        let of = pair.map(|pair| pair.cert.display().to_string()).unwrap_or_default();
        for (name, nginx) in [("ask.test", &direct), ("parsed.test", &deep)] {
            let (theirs, ours) = (answer(nginx.port, name, pair, &[]), answer(gateway.tls, name, pair, &[]));
            assert_eq!(ours["verify"], theirs["verify"], "{of} for {name}");
        }
    }
    assert_eq!(
        answer(gateway.tls, "any.test", Some(&pki.direct), &[])["verify"],
        "FAILED:unable to verify the first certificate"
    );
}

#[test]
fn a_plugin_shows_a_certificate_of_its_own() {
    let pki = Pki::make();
    let gateway = pki.gateway();
    for name in ["own.test", "der.test"] {
        assert!(curl(gateway.tls, name, None, &[]).starts_with("CN=own\n"), "{name}");
    }
    assert!(curl(gateway.tls, "other.test", None, &[]).contains("CN=localhost"));
    for name in ["bare.test", "thrown.test"] {
        assert_eq!(curl(gateway.tls, name, None, &[]), "\n", "{name} gets no connection");
    }
    gateway.wait_for_log("not with me");
}

#[test]
fn sessions_are_resumed_unless_a_plugin_forbids_it() {
    let pki = Pki::make();
    let gateway = pki.gateway();
    for version in ["-tls1_2", "-tls1_3"] {
        for (name, resumed) in [("ask.test", true), ("once.test", false)] {
            let file = pki.folder.path().join(format!("session{version}{name}"));
            let first =
                session(&gateway, version, name, &pki.direct, &["-sess_out".as_ref(), file.as_os_str()]);
            assert!(first.contains("New, TLSv"), "{first}");
            assert!(first.contains("\"reused\":\".\""), "{first}");
            if !file.exists() {
                assert!(!resumed, "no session to resume for {name}");
                continue;
            }
            let second =
                session(&gateway, version, name, &pki.direct, &["-sess_in".as_ref(), file.as_os_str()]);
            assert_eq!(second.contains("Reused, TLSv"), resumed, "{version} {name}: {second}");
            assert_eq!(second.contains("\"reused\":\"r\""), resumed, "{version} {name}: {second}");
            assert!(second.contains("\"verify\":\"SUCCESS\""), "the certificate stays known: {second}");
        }
    }
}

/// A request by `openssl s_client`, and what it tells of the session.
fn session(gateway: &Gateway, version: &str, name: &str, pair: &Pair, more: &[&std::ffi::OsStr]) -> String {
    let shown = ["-cert".as_ref(), pair.cert.as_os_str(), "-key".as_ref(), pair.key.as_os_str()];
    s_client(gateway.tls, name, &[&[version.as_ref()], &shown[..], more].concat())
}

#[test]
fn a_plugin_brings_certificates_for_the_upstream() {
    let pki = Pki::make();
    let upstream = Nginx::over_tls(
        &pki.server.cert,
        &pki.server.key,
        &format!(
            "ssl_verify_client optional_no_ca; ssl_client_certificate {}; return 200 'shown: $ssl_client_s_dn';",
            pki.root.cert.display()
        ),
    );
    let Some(upstream) = upstream else { return };
    let service = |name: &str, access: String| {
        json!({
            "name": name, "url": format!("https://localhost:{}", upstream.port), "retries": 0,
            "routes": [{ "paths": [format!("/{name}")],
                         "plugins": [{ "name": "pre-function", "config": { "access": [access] } }] }],
        })
    };
    let store = |root: &Pair| {
        format!(
            "local store = require('resty.openssl.x509.store').new()
             assert(store:add(require('resty.openssl.x509').new([[{}]])))
             assert(kong.service.set_tls_verify(true)) assert(kong.service.set_tls_verify_depth(2))
             assert(kong.service.set_tls_verify_store(store))",
            root.text.0
        )
    };
    let shown = |pair: &Pair| {
        format!(
            "local ssl = require 'ngx.ssl'
             assert(kong.service.set_tls_cert_key(ssl.parse_pem_cert([[{}]]), ssl.parse_pem_priv_key([[{}]])))",
            pair.text.0, pair.text.1
        )
    };
    let wrong = "assert(not pcall(kong.service.set_tls_cert_key, 'x', 'y'))
        assert(not pcall(kong.service.set_tls_verify_store, 'x'))";
    let yaml = json!({
        "_format_version": "3.0",
        "services": [
            service("none", wrong.into()), service("direct", shown(&pki.direct)), service("own", shown(&pki.own)),
            service("trusted", store(&pki.root)), service("distrusted", store(&pki.other_root)),
            service("both", shown(&pki.own) + &store(&pki.root)),
        ],
    });
    let gateway = Setup::declarative(yaml.to_string()).with("untrusted_lua", "on").start();
    // Twice: connections of one service are not those of another.
    for _ in 0..2 {
        for (path, status, text) in [
            ("/none", 200, "shown: "),
            ("/direct", 200, "shown: CN=direct"),
            ("/own", 200, "shown: CN=own"),
            ("/trusted", 200, "shown: "),
            ("/distrusted", 502, ""),
            ("/both", 200, "shown: CN=own"),
        ] {
            let reply = get(gateway.proxy, path, &[]);
            assert_eq!(reply.status, status, "{path}: {}", reply.text());
            assert!(status != 200 || reply.text() == text, "{path}: {}", reply.text());
        }
    }
}

#[test]
fn a_connection_that_other_authorities_judged_is_not_used_again() {
    let pki = Pki::make();
    let upstream = Nginx::over_tls(&pki.server.cert, &pki.server.key, "return 200 $connection;");
    let Some(upstream) = upstream else { return };
    let gateway =
        Setup::default().with("database", "sqlite").with("nginx_main_worker_processes", "1").start();
    let send = |method: &str, path: &str, body: Value| {
        let fields = [("Content-Type", "application/json")];
        let reply = request(gateway.admin, method, path, &fields, body.to_string().as_bytes());
        assert!(reply.status < 300, "{}", reply.text());
        reply.json()
    };
    let authority = send("POST", "/ca_certificates", json!({"cert": pki.root.text.0}));
    let service = json!({"name": "s", "url": format!("https://localhost:{}", upstream.port), "tls_verify": true,
                         "tls_verify_depth": 1, "ca_certificates": [authority["id"]]});
    send("POST", "/services", service);
    send("POST", "/services/s/routes", json!({"paths": ["/"]}));
    gateway.eventually("the route", |gateway| get(gateway.proxy, "/", &[]).status == 200);
    let connection = get(gateway.proxy, "/", &[]).text();
    assert_eq!(get(gateway.proxy, "/", &[]).text(), connection, "connections are kept");
    let path = format!("/ca_certificates/{}", authority["id"].as_str().unwrap());
    send("PATCH", &path, json!({"cert": pki.other_root.text.0}));
    gateway.eventually("the other authority", |gateway| get(gateway.proxy, "/", &[]).status == 502);
    send("PATCH", &path, json!({"cert": pki.root.text.0}));
    gateway.eventually("the first authority", |gateway| get(gateway.proxy, "/", &[]).status == 200);
}

/// As `openssl x509 -req` issues them where no extension is asked for.
#[test]
fn upstreams_are_shown_certificates_of_the_first_version_too() {
    let pki = Pki::make();
    let at = |name: &str| pki.folder.path().join(name).display().to_string();
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (key, asked, old) = (at("old.key"), at("old.csr"), at("old.crt"));
    openssl(&["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=old", "-keyout", &key, "-out", &asked]);
    let issuer = ["-CA", &at("root.crt"), "-CAkey", &at("root.key"), "-CAcreateserial"].map(str::to_owned);
    let issuer: Vec<&str> = issuer.iter().map(String::as_str).collect();
    openssl(&[&["x509", "-req", "-in", &asked, "-days", "30", "-out", &old], &issuer[..]].concat());
    let text = openssl(&["x509", "-in", &old, "-noout", "-text"]);
    assert!(text.contains("Version: 1 "), "{text}");
    let upstream = Nginx::over_tls(
        &pki.server.cert,
        &pki.server.key,
        &format!(
            "ssl_verify_client on; ssl_client_certificate {}; return 200 '$ssl_client_verify $ssl_client_s_dn';",
            pki.root.cert.display()
        ),
    );
    let Some(upstream) = upstream else { return };
    let id = "5a7a3a3e-8a1b-4a0e-9b6c-0f4d1a2b3c4d";
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let gateway = Setup::declarative(
        json!({
            "_format_version": "3.0",
            "certificates": [{ "id": id, "cert": read(&old), "key": read(&key) }],
            "services": [{ "url": format!("https://127.0.0.1:{}", upstream.port), "client_certificate": id,
                           "routes": [{ "paths": ["/"] }] }],
        })
        .to_string(),
    )
    .start();
    assert_eq!(get(gateway.proxy, "/", &[]).text(), "SUCCESS CN=old");
}
