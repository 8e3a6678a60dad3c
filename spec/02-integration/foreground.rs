//! `nginx_daemon = off`, and starting from the environment alone.

use crate::support::{command, free_port, get, kong, kong_with};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Read;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// An environment that configures a whole node.
fn environment(prefix: &str, port: u16) -> Vec<(&'static str, String)> {
    let folder = tempfile::tempdir().unwrap().keep().join(prefix).display().to_string();
    vec![
        ("KONG_PREFIX", folder),
        ("KONG_DATABASE", "off".into()),
        ("KONG_PROXY_LISTEN", format!("127.0.0.1:{port}")),
        ("KONG_ADMIN_LISTEN", "off".into()),
        ("KONG_ADMIN_GUI_LISTEN", "off".into()),
        ("KONG_STATUS_LISTEN", "off".into()),
        ("KONG_NGINX_MAIN_WORKER_PROCESSES", "1".into()),
        ("KONG_NGINX_MAIN_USER", "root root".into()),
    ]
}

fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Waits until the port answers, or the process has ended.
fn wait_for_answer(master: &mut Child, port: u16) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline && master.try_wait().unwrap().is_none(), "it does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn in_the_foreground_logs_go_to_the_standard_streams_and_a_signal_ends_it_well() {
    for signal in [Signal::SIGTERM, Signal::SIGQUIT, Signal::SIGINT] {
        let port = free_port();
        let mut environment = environment("fore ground", port);
        environment.push(("KONG_NGINX_DAEMON", "off".into()));
        environment.push(("KONG_PROXY_ACCESS_LOG", "/dev/stdout".into()));
        environment.push(("KONG_PROXY_ERROR_LOG", "/dev/stderr".into()));
        let mut master = command(&borrowed(&environment), &["start"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_answer(&mut master, port);
        assert_eq!(get(port, "/hello", &[]).status, 404);
        kill(Pid::from_raw(master.id().cast_signed()), signal).unwrap();
        assert_eq!(master.wait().unwrap().code(), Some(0), "{signal}");
        let (mut out, mut err) = (String::new(), String::new());
        master.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        master.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(out.contains("\"GET /hello HTTP/1.1\" 404"), "{out}");
        assert!(err.contains("[notice]"), "{err}");
    }
}

#[test]
fn a_node_starts_from_variables_alone_with_secrets_from_other_variables() {
    let port = free_port();
    let mut environment = environment("p", port);
    environment.push(("KONG_PROXY_LISTEN", "{vault://env/where-to-listen}".into()));
    environment.push(("KONG_PG_PASSWORD", "{vault://env/pg_password}".into()));
    let prefix = environment[0].1.clone();
    let refused = kong_with(&borrowed(&environment), &["start"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("Error: failed to dereference '{vault://env/"), "{said}");
    let note = format!("prefix directory {prefix} not found, trying to create it\n");
    assert_eq!((refused.status.code(), String::from_utf8_lossy(&refused.stdout).as_ref()), (Some(1), &*note));

    let listen = format!("127.0.0.1:{port}");
    let secrets = [("WHERE_TO_LISTEN", listen.as_str()), ("PG_PASSWORD", "a-secret")];
    let started = kong_with(&[&borrowed(&environment)[..], &secrets].concat(), &["start"]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    assert_eq!(get(port, "/", &[]).status, 404);
    let written = std::fs::read_to_string(format!("{prefix}/.kong_env")).unwrap();
    assert!(written.contains("pg_password = {vault://env/pg_password}"), "{written}");
    assert!(!written.contains("a-secret"));

    // the variables are the node's: a command without them reloads and stops it
    let reloaded = kong(&["reload", "-p", &prefix]);
    assert!(reloaded.status.success(), "{}", String::from_utf8_lossy(&reloaded.stderr));
    assert_eq!(get(port, "/", &[]).status, 404);
    let stopped = kong_with(&[("KONG_PREFIX", "/nonexistent")], &["stop", "--prefix", &prefix]);
    assert_eq!(String::from_utf8_lossy(&stopped.stdout), "Kong stopped\n");
    assert_eq!(String::from_utf8_lossy(&stopped.stderr), "");
}
