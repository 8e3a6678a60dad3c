//! The plugin acme, with Pebble: Let's Encrypt's server for tests.

use crate::support::{Gateway, Setup, free_port, get, request};
use serde_json::{Value, json};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CHALLENGE: &str = "/.well-known/acme-challenge";

fn configuration(uri: &str, storage: &str) -> String {
    json!({
        "_format_version": "3.0",
        "services": [{"name": "s", "url": "http://127.0.0.1:1", "routes": [{"name": "r", "paths": ["/"]}]}],
        "plugins": [
            {"name": "key-auth"},
            {"name": "acme", "config": {
                "account_email": "someone@example.com", "api_uri": uri, "tos_accepted": true, "cert_type": "ecc",
                "domains": ["a.acme.test", "*.sub.acme.test"], "storage": storage,
            }},
        ],
    })
    .to_string()
}

#[test]
fn challenges_are_answered_before_any_plugin_asks_who_is_there() {
    let setup = Setup::declarative(configuration("https://acme.test/directory", "shm"));
    let gateway = setup.with("plugins", "bundled").start();
    let ask = |host: &str, path: &str| {
        let reply = get(gateway.proxy, path, &[("Host", host)]);
        (reply.status, reply.text())
    };
    let unknown = (404, "Not found\n".to_owned());
    assert_eq!(ask("a.acme.test", &format!("{CHALLENGE}/x")), unknown);
    assert_eq!(ask("b.sub.acme.test", &format!("{CHALLENGE}/token")), unknown);
    for (host, path) in [("b.acme.test", format!("{CHALLENGE}/x")), ("a.acme.test", "/".to_owned())] {
        assert_eq!(ask(host, &path).0, 401, "{host}{path}");
    }
}

#[test]
fn the_admin_api_says_what_is_wrong_with_a_host() {
    let setup = Setup::declarative(configuration("https://acme.test/directory", "shm"));
    let gateway = setup.with("plugins", "bundled").start();
    let post = |body: Value| {
        let fields = [("Content-Type", "application/json")];
        let reply = request(gateway.admin, "POST", "/acme", &fields, body.to_string().as_bytes());
        (reply.status, reply.json()["message"].as_str().unwrap_or_default().to_owned())
    };
    for (body, message) in [
        (json!({}), "host must be provided and containing a single domain"),
        (json!({"host": "a.acme.test:80"}), "port is not allowed in host"),
        (
            json!({"host": "b.test", "test_http_challenge_flow": true}),
            "problem found running sanity check for b.test: host is not included in plugin config.domains",
        ),
    ] {
        assert_eq!(post(body.clone()), (400, message.to_owned()), "{body}");
    }
    let reply = get(gateway.admin, "/acme/certificates/a.acme.test", &[]);
    assert_eq!(reply.status, 404);
}

#[test]
fn a_storage_that_other_nodes_cannot_reach_is_refused() {
    let setup = Setup::declarative(configuration("https://acme.test/directory", "kong"));
    let (_gateway, output) = setup.with("plugins", "bundled").try_start();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("\"kong\" storage can't be used with dbless mode"),
        "{said}"
    );
}

#[test]
fn certificates_are_had_from_an_acme_server_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let trusted = folder.path().join("acme.crt");
    std::fs::write(&trusted, pair.cert.pem()).unwrap();
    std::fs::write(folder.path().join("acme.key"), pair.signing_key.serialize_pem()).unwrap();
    let port = free_port();
    let text = configuration(&format!("https://localhost:{port}/dir"), "shm");
    let gateway = Setup::declarative(text)
        .with("plugins", "bundled")
        .with("lua_ssl_trusted_certificate", trusted.display().to_string())
        .start();
    let Some(_pebble) = Pebble::start(folder.path(), port, gateway.proxy) else {
        eprintln!("pebble is not installed");
        return;
    };

    let create = |host: &str| {
        let fields = [("Content-Type", "application/json")];
        let body = json!({"host": host}).to_string();
        let reply = request(gateway.admin, "POST", "/acme", &fields, body.as_bytes());
        (reply.status, reply.json()["message"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(create("a.acme.test"), (201, "certificate for host a.acme.test is created".to_owned()));
    let listed = get(gateway.admin, "/acme/certificates", &[]).json();
    assert_eq!((&listed["data"][0]["host"], &listed["data"][1]), (&json!("a.acme.test"), &Value::Null));
    let issuer = listed["data"][0]["issuer_cn"].as_str().unwrap().to_owned();
    assert!(issuer.starts_with("Pebble Intermediate CA"), "{listed}");
    let one = get(gateway.admin, "/acme/certificates/a.acme.test", &[]).json();
    assert_eq!(one["data"]["pubkey_type"], "id-ecPublicKey");
    gateway.eventually("the certificate to be served", |gateway| served(gateway, "a.acme.test") == issuer);

    // a handshake for a name without one has it made
    assert_ne!(served(&gateway, "b.sub.acme.test"), issuer);
    gateway.eventually("a new certificate", |gateway| served(gateway, "b.sub.acme.test") == issuer);
    assert_ne!(served(&gateway, "c.acme.test"), issuer);

    // a name that the plugin does not answer for
    let (status, message) = create("c.acme.test");
    let expected =
        "failed to update certificate: could not create certificate for host: c.acme.test err: authorization";
    assert!(status == 500 && message.starts_with(expected), "{status} {message}");
    let (status, message) = create("c.acme.test");
    assert!(status == 500 && message.contains("please try again in "), "{status} {message}");
}

/// The common name of the issuer of the certificate that a client gets for a name.
fn served(gateway: &Gateway, name: &str) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{}", gateway.tls), "-servername", name])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let issuer = said.lines().find(|line| line.starts_with("issuer=")).unwrap_or_default();
    issuer.rsplit("CN = ").next().unwrap_or_default().rsplit("CN=").next().unwrap_or_default().to_owned()
}

/// A running `pebble`, and a name server by which all names are of this machine.
struct Pebble(Child);

impl Pebble {
    /// One on a port, with `acme.crt` and `acme.key` of the folder, that looks for challenges on another port; `None`
    /// when it is not installed.
    fn start(folder: &Path, port: u16, challenges: u16) -> Option<Pebble> {
        let conf = folder.join("pebble.json");
        let text = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{}", free_port()),
            "certificate": folder.join("acme.crt"), "privateKey": folder.join("acme.key"),
            "httpPort": challenges, "tlsPort": 1, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        std::fs::write(&conf, text.to_string()).unwrap();
        let process = Command::new("pebble")
            .arg("-config")
            .arg(&conf)
            .args(["-dnsserver", &format!("127.0.0.1:{}", name_server())])
            // no waits, and a nonce in three refused
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "33")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let pebble = Pebble(process);
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "pebble does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(pebble)
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A name server that knows 127.0.0.1 for every name, and no other address; its port.
fn name_server() -> u16 {
    const A: [u8; 2] = [0, 1];
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut question) {
            // RFC 1035: the header, the name, its type and class
            let Some(end) = question[12..length].iter().position(|byte| *byte == 0) else { continue };
            let end = 12 + end + 5;
            let is_address = question[end - 4..end - 2] == A;
            let mut answer = question[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
            if is_address {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            let _ = socket.send_to(&answer, peer);
        }
    });
    port
}
