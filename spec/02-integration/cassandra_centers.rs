//! Cassandra with TLS and login, and with two data centers.

use super::postgres::{admin, ask, eventually, post, stderr};
use crate::support::{Cassandra, Gateway, Setup, get, kong};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

type Properties = BTreeMap<&'static str, String>;

fn properties(server: &Cassandra, keyspace: &str, more: &[(&'static str, &str)]) -> Properties {
    let mut properties: Properties = server.properties(keyspace).into_iter().collect();
    properties.insert("plugins", "key-auth".to_owned());
    properties.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    properties
}

fn migrate(properties: &Properties) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("kong.conf");
    let lines: String = properties.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    let prefix = folder.path().join("prefix");
    std::fs::write(&conf, format!("prefix = {}\n{lines}", prefix.display())).unwrap();
    kong(&["migrations", "up", "-c", conf.to_str().unwrap()])
}

fn start(properties: &Properties) -> Gateway {
    properties.iter().fold(Setup::default(), |setup, (name, value)| setup.with(name, value)).start()
}

/// A key for a node, and its certificate: the store and the PEM file.
fn keys(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (store, certificate) = (folder.join(format!("{name}.jks")), folder.join(format!("{name}.pem")));
    let run = |arguments: &[&str]| {
        let mut command = Command::new("keytool");
        command.args(arguments).args(["-alias", "node", "-storepass", "secret", "-keystore"]).arg(&store);
        let output = command.output().expect("keytool");
        assert!(output.status.success(), "keytool: {}", String::from_utf8_lossy(&output.stdout));
    };
    run(&[
        "-genkeypair",
        "-keyalg",
        "EC",
        "-groupname",
        "secp256r1",
        "-storetype",
        "JKS",
        "-keypass",
        "secret",
        "-dname",
        "CN=node",
        "-ext",
        "san=ip:127.0.0.1",
        "-validity",
        "30",
    ]);
    run(&["-exportcert", "-rfc", "-file", certificate.to_str().unwrap()]);
    (store, certificate)
}

#[test]
fn connections_are_encrypted_and_verified_and_somebody_logs_in() {
    let folder = tempfile::tempdir().unwrap();
    let (store, certificate) = keys(folder.path(), "node");
    let (_, other) = keys(folder.path(), "other");
    let yaml = format!(
        "authenticator: PasswordAuthenticator\n\
         authorizer: CassandraAuthorizer\n\
         client_encryption_options:\n\
         \x20 enabled: true\n\
         \x20 optional: false\n\
         \x20 keystore: {}\n\
         \x20 keystore_password: secret\n",
        store.display()
    );
    let server = Cassandra::start_with(1, vec![("YAML", Box::new(move |_| yaml.clone()))]);
    let keyspace = server.keyspace();
    let (certificate, other) = (certificate.display().to_string(), other.display().to_string());
    let login = [("cassandra_username", "cassandra"), ("cassandra_password", "cassandra")];
    let with = |more: &[(&'static str, &str)]| properties(&server, &keyspace, &[&login[..], more].concat());
    let verified = with(&[
        ("cassandra_ssl", "on"),
        ("cassandra_ssl_verify", "on"),
        ("lua_ssl_trusted_certificate", &certificate),
    ]);
    // the first user is made after the start
    eventually("the first user", PATIENCE, || migrate(&verified).status.success());
    let refusal = |properties: &Properties| {
        let output = migrate(properties);
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let mut foreign = verified.clone();
    foreign.insert("lua_ssl_trusted_certificate", other);
    let words = refusal(&foreign);
    assert!(words.contains("certificate"), "{words}");
    let words = refusal(&with(&[("cassandra_timeout", "3000")]));
    assert!(words.contains(&format!("127.0.0.1:{}", server.port)), "{words}");
    let mut wrong = verified.clone();
    wrong.insert("cassandra_password", "wrong".to_owned());
    let words = refusal(&wrong);
    assert!(words.contains("username") && words.contains("password"), "{words}");
    wrong.remove("cassandra_password");
    let words = refusal(&wrong);
    assert!(words.contains("cassandra_password"), "{words}");
    let unverified = with(&[("cassandra_ssl", "on")]);
    for (number, properties) in [verified, unverified].iter().enumerate() {
        let node = start(properties);
        post(&node, "/services", &json!({"name": format!("s{number}"), "host": "h"}));
        assert_eq!(get(node.admin, "/services/s0", &[]).status, 200);
    }
}

#[test]
fn each_data_center_has_its_replicas_and_outlives_the_other() {
    let center = |node: usize| format!("dc{}", node + 1);
    let server = Cassandra::start_with(2, vec![("DATA_CENTER", Box::new(center))]);
    let keyspace = server.keyspace();
    let of = |local: &str, policy: &str, contact: usize| {
        properties(
            &server,
            &keyspace,
            &[
                ("cassandra_contact_points", &Cassandra::address(contact)),
                ("cassandra_repl_strategy", "NetworkTopologyStrategy"),
                ("cassandra_data_centers", "dc1:1, dc2:1"),
                ("cassandra_lb_policy", policy),
                ("cassandra_local_datacenter", local),
                ("cassandra_write_consistency", "LOCAL_QUORUM"),
                ("cassandra_read_consistency", "LOCAL_QUORUM"),
            ],
        )
    };
    let (first, second) = (of("dc1", "DCAwareRoundRobin", 0), of("dc2", "RequestDCAwareRoundRobin", 1));
    eventually("both data centers", PATIENCE, || migrate(&first).status.success());
    let replication = server.ask(
        &keyspace,
        &format!("SELECT JSON replication FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'"),
    );
    let replication = &replication[0]["replication"];
    assert_eq!((&replication["dc1"], &replication["dc2"]), (&json!("1"), &json!("1")), "{replication}");
    let (one, two) = (start(&first), start(&second));
    post(&one, "/services", &json!({"name": "one", "host": "h"}));
    eventually("the other center", PATIENCE, || get(two.admin, "/services/one", &[]).status == 200);
    post(&two, "/services", &json!({"name": "two", "host": "h"}));
    eventually("the first center", PATIENCE, || get(one.admin, "/services/two", &[]).status == 200);
    // a center that is lost is not missed by the other one
    server.kill(1);
    eventually("writes without the other center", PATIENCE, || {
        ask(&one, "PUT", "/services/three", &json!({"host": "h"})).status == 200
    });
    admin(&one, "PATCH", "/services/three", &json!({"host": "h2"}), 200);
    assert_eq!(get(one.admin, "/services/two", &[]).status, 200);
    server.resume(1);
    eventually("what was missed", PATIENCE, || {
        let seen = get(two.admin, "/services/three", &[]);
        seen.status == 200 && seen.json()["host"] == "h2"
    });
}
