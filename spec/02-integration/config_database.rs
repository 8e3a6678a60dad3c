//! `kong config db_import` and `db_export`, beside a node that serves from the database.

use crate::support::{Gateway, Setup, Upstream, get, request};
use std::path::Path;
use std::process::Output;

fn start() -> Gateway {
    Setup::default().with("database", "sqlite").start()
}

fn config(gateway: &Gateway, command: &str, file: &Path) -> Output {
    let conf = gateway.conf_file();
    gateway.command("config", &[command, file.to_str().unwrap(), "-c", conf.to_str().unwrap()])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A document without the times at which its entities were written.
fn timeless(text: &str) -> String {
    text.lines().filter(|line| !line.contains("updated_at")).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_imported_is_served_and_exported_as_it_was() {
    let upstream = Upstream::start();
    let gateway = start();
    let folder = tempfile::tempdir().unwrap();
    let (file, first, second) =
        (folder.path().join("in.yml"), folder.path().join("1.yml"), folder.path().join("2.yml"));
    let text = format!(
        "_format_version: '3.0'\nservices:\n- name: s\n  url: {}\n  routes: [{{ name: r, paths: [/imported] }}]\n\
         consumers:\n- username: c\n  keyauth_credentials: [{{ key: secret }}]\n",
        upstream.url()
    );
    std::fs::write(&file, text).unwrap();
    let imported = config(&gateway, "db_import", &file);
    assert!(imported.status.success(), "{}", said(&imported));
    assert!(said(&imported).contains("parse successful, beginning import\nimport successful\n"));
    gateway.eventually("the imported route is served", |gateway| {
        get(gateway.proxy, "/imported", &[]).status == 200
    });
    assert_eq!(request(gateway.admin, "GET", "/consumers/c/key-auth/secret", &[], b"").status, 200);

    let again = config(&gateway, "db_import", &file);
    assert!(again.status.success(), "{}", said(&again));

    assert!(config(&gateway, "db_export", &first).status.success());
    let exported = std::fs::read_to_string(&first).unwrap();
    assert!(exported.contains("key: secret") && exported.contains("key: cluster_id"), "{exported}");
    assert!(config(&gateway, "db_import", &first).status.success());
    assert!(config(&gateway, "db_export", &second).status.success());
    assert_eq!(timeless(&std::fs::read_to_string(&second).unwrap()), timeless(&exported));
    let again = config(&gateway, "db_export", &second);
    assert!(said(&again).contains("already exists. Will not overwrite it."), "{}", said(&again));
}

#[test]
fn an_import_that_is_refused_says_why_and_leaves_nothing_behind() {
    let gateway = start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.yml");
    std::fs::write(&file, "_format_version: '3.0'\nservices:\n- name: s\n  port: -1\n").unwrap();
    let refused = config(&gateway, "db_import", &file);
    assert!(!refused.status.success());
    assert!(said(&refused).contains("in 'port': value should be between 0 and 65535"), "{}", said(&refused));
    assert!(said(&refused).contains("in.yml:4:"), "{}", said(&refused));

    let json: &[(&str, &str)] = &[("Content-Type", "application/json")];
    assert_eq!(request(gateway.admin, "POST", "/consumers", json, b"{\"username\":\"c\"}").status, 201);
    let text = "_format_version: '3.0'\nservices: [{ name: s, host: x }]\nconsumers: [{ username: c }]\n";
    std::fs::write(&file, text).unwrap();
    let refused = config(&gateway, "db_import", &file);
    assert!(said(&refused).contains("Failed importing:\nUNIQUE violation detected on '{username=\"c\"}'"));
    assert_eq!(request(gateway.admin, "GET", "/services/s", &[], b"").status, 404);
}
