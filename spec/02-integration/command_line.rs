//! What commands without a node print, and how they exit.

use crate::support::{kong, kong_with};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use x509_parser::pem::parse_x509_pem;

/// Variables, arguments, exit code, a piece of standard output, a piece of standard error.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, i32, &'a str, &'a str);

fn check(cases: &[Case]) {
    for (variables, arguments, code, out, err) in cases {
        let output = kong_with(variables, &arguments.split_whitespace().collect::<Vec<_>>());
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let seen = format!("kong {arguments}: {:?}\n{said}---\n{complained}", output.status.code());
        assert_eq!(output.status.code(), Some(*code), "{seen}");
        for (text, piece) in [(said, out), (complained, err)] {
            assert!(text.contains(piece), "no {piece:?} in {seen}");
            assert!(!piece.is_empty() || text.is_empty(), "nothing was to be printed there: {seen}");
        }
    }
}

#[test]
fn the_bare_command_wrong_commands_and_help_print_the_usage_on_standard_error() {
    check(&[
        (&[], "", 1, "", "Usage: kong COMMAND [OPTIONS]\n\nThe available commands are:\n check\n config\n"),
        (&[], "foobar", 1, "", "No such command: foobar\n\nUsage: kong COMMAND [OPTIONS]"),
        (&[], "--help", 1, "", "Usage: kong COMMAND [OPTIONS]"),
        (&[], "start --help", 1, "", "Usage: kong start [OPTIONS]"),
        (&[], "stop --help", 1, "", "Usage: kong stop [OPTIONS]"),
        (&[], "quit --help", 1, "", "Usage: kong quit [OPTIONS]"),
        (&[], "restart --help", 1, "", "Usage: kong restart [OPTIONS]"),
        (&[], "reload --help", 1, "", "Usage: kong reload [OPTIONS]"),
        (&[], "health --help", 1, "", "Usage: kong health [OPTIONS]"),
        (&[], "config --help", 1, "", "Usage: kong config COMMAND [OPTIONS]"),
        (&[], "hybrid --help", 1, "", "Usage: kong hybrid COMMAND [OPTIONS]"),
        (&[], "migrations --help", 1, "", "Usage: kong migrations COMMAND [OPTIONS]"),
        (&[], "migrations apple", 1, "", "No such command for migrations: apple"),
        (&[], "roar", 0, "Kong, Monolith destroyer.", ""),
    ]);
}

#[test]
fn versions_are_printed_alone_or_with_those_of_the_parts() {
    check(&[
        (&[], "version", 0, "3.9.3\n", ""),
        (&[], "version -a", 0, "Kong: 3.9.3\nngx_lua: ", ""),
        (&[], "version --all", 0, "\nLua: LuaJIT 2.1.0-20231117.1\n", ""),
        (&[], "version --vv", 0, "Kong: 3.9.3\n", ""),
    ]);
}

#[test]
fn a_secret_is_read_from_the_environment_whatever_its_spelling() {
    let secret = ("SECRETS_TEST", "a value");
    check(&[
        (&[], "vault --help", 1, "", "Usage: kong vault COMMAND [OPTIONS]"),
        (&[], "vault get", 1, "", "Error: the 'get' command needs a <reference> argument"),
        (&[("KONG_DATABASE", "off")], "vault get none/foo", 1, "", "Error: could not find vault (none)"),
        // With a database, the vault might be one that is stored there.
        (&[("KONG_PG_PORT", "1")], "vault get none/foo", 1, "", "connection refused"),
        (&[], "vault get env/none", 1, "", "could not get value from external vault (no value found)"),
        (&[secret], "vault get env/secrets_test", 0, "a value\n", ""),
        (&[secret], "vault get env/secrets-test", 0, "a value\n", ""),
        (&[secret], "vault get {vault://env/secrets-test}", 0, "a value\n", ""),
        (&[secret, ("KONG_VAULT_ENV_PREFIX", "SECRETS_")], "vault get env/test", 0, "a value\n", ""),
        (&[secret, ("KONG_VAULT_ENV_PREFIX", "SECRETS-")], "vault get env/test", 0, "a value\n", ""),
        (&[("MANY", r#"{"one":"1"}"#)], "vault get env/many/one", 0, "1\n", ""),
        (
            &[("MANY", r#"{"one":1}"#)],
            "vault get env/many/one",
            1,
            "",
            "unexpected number value in JSON secret",
        ),
        (
            &[("MANY", "x")],
            "vault get env/many/one",
            1,
            "",
            "value (nil): Expected value but found invalid token at",
        ),
    ]);
}

#[test]
fn a_configuration_file_is_checked_and_every_error_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("good"), "database = off\n").unwrap();
    fs::write(at("bad"), "untrusted_lua = maybe\nlog_level = loud\n").unwrap();
    check(&[
        (
            &[],
            &format!("check {}", at("good")),
            0,
            &format!("configuration at {} is valid\n", at("good")),
            "",
        ),
        (&[], &format!("check {}", at("bad")), 1, "", "[error] untrusted_lua has an invalid value: 'maybe'"),
        (&[], &format!("check {}", at("bad")), 1, "", "[error] log_level has an invalid value: 'loud'"),
        (&[], "check inexistent.conf", 1, "", "[error] no file at: inexistent.conf"),
        (&[], "prepare -c inexistent.conf", 1, "", "Error: no file at: inexistent.conf"),
        (&[], &format!("check {} --v", at("good")), 0, "[verbose] prefix in use: /", ""),
    ]);
}

#[test]
fn commands_about_a_database_answer_where_there_is_none() {
    let off = ("KONG_DATABASE", "off");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kong.yml").display().to_string();
    check(&[
        (&[], &format!("config init {file}"), 0, "", ""),
        (&[off], &format!("config parse {file}"), 0, "parse successful\n", ""),
        (&[], &format!("config init {file}"), 1, "", "already exists.\nWill not overwrite it.\n"),
        (
            &[off],
            &format!("config db_import {file}"),
            1,
            "",
            "Error: 'kong config db_import' only works with a database.\nWhen using database=off, reload your \
             declarative configuration\nusing the /config endpoint.\n",
        ),
        (&[off], "config parse /nonexistent.yml", 1, "", "/nonexistent.yml: No such file or directory\n"),
        (
            &[off],
            "config parse a.lua",
            1,
            "",
            "[warn] db_import of .lua files is deprecated; please convert your file",
        ),
        (&[off], "migrations list", 0, "Executed migrations:", ""),
        (&[off], "migrations up", 0, "Database is already up-to-date\n", ""),
    ]);
}

#[test]
fn a_wrong_declarative_file_is_told_as_a_tree_and_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yml");
    let text = "_format_version: '3.0'\nservices:\n- name: a\n  port: 99999\n  host: b\n- host: c\n  retries: many\n";
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let expected = format!(
        "Error: Failed parsing:\nin 'services':\n  - in entry 1 of 'services':\n    in 'port': value should be between \
         0 and 65535\n  - in entry 2 of 'services':\n    in 'retries': expected an integer\n\
         {file}:4: services[1].port: value should be between 0 and 65535\n\
         {file}:7: services[2].retries: expected an integer\n"
    );
    let output = kong_with(&[("KONG_DATABASE", "off")], &["config", "parse", &file]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with(&expected), "{said}\nexpected:\n{expected}");
}

#[test]
fn a_certificate_for_hybrid_mode_lasts_as_long_as_asked_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (options, days) in [("", 3 * 365), ("-d 1", 1), ("--days 2", 2)] {
        let (certificate, key) = (at(&format!("{days}.crt")), at(&format!("{days}.key")));
        let command = format!("hybrid gen_cert {options} {certificate} {key}");
        let written = "Successfully generated certificate/key pairs, they have been written to: '".to_owned()
            + &certificate;
        check(&[(&[], &command, 0, &written, ""), (&[], &command, 1, "", "already exists")]);
        assert_eq!(lifetime(&certificate), days * 86_400);
        assert!(fs::read_to_string(&key).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
        for (file, mode) in [(key, 0o600), (certificate, 0o644)] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, mode);
        }
    }
}

/// Seconds from the first to the last moment at which a certificate is valid.
fn lifetime(file: &str) -> i64 {
    let (_, pem) = parse_x509_pem(&fs::read(file).unwrap()).unwrap();
    let validity = pem.parse_x509().unwrap().validity().clone();
    validity.not_after.timestamp() - validity.not_before.timestamp()
}

#[test]
fn commands_that_lay_a_prefix_out_make_it_and_refuse_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("file"), "").unwrap();
    let off = ("KONG_DATABASE", "off");
    for command in ["start", "prepare", "restart", "reload"] {
        let error = format!("Error: {} is not a directory\n", at("file"));
        check(&[(&[off], &format!("{command} -p {}", at("file")), 1, "", &error)]);
    }
    for command in ["restart", "reload"] {
        let prefix = at(command);
        let note = format!("prefix directory {prefix} not found, trying to create it\n");
        let error = format!("Error: no file at: {prefix}/.kong_env\n");
        check(&[(&[off], &format!("{command} -p {prefix}"), 1, &note, &error)]);
        assert!(Path::new(&prefix).is_dir());
    }
}

#[test]
fn preparing_lays_the_prefix_out_and_keeps_secrets_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("some where/prefix");
    let variables =
        [("KONG_DATABASE", "off"), ("PG_USER", "a-secret-user"), ("KONG_PG_USER", "{vault://env/pg-user}")];
    let output = kong_with(&variables, &["prepare", "-p", prefix.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names =
        ["logs/admin_access.log", "logs/error.log", "pids", "sockets", "ssl/kong-default.crt", ".kong_env"];
    for name in names {
        assert!(prefix.join(name).exists(), "{name}");
    }
    assert!(!fs::read_to_string(prefix.join(".kong_env")).unwrap().contains("a-secret-user"));
    assert!(is_private(&prefix.join(".kong_env")));
    let again = kong(&["prepare", "-p", prefix.to_str().unwrap()]);
    assert!(again.status.success());
}

fn is_private(file: &Path) -> bool {
    fs::metadata(file).unwrap().permissions().mode() & 0o007 == 0
}
