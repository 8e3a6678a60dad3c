//! The commands about a node that does not run, and those that ask one that does.

use crate::support::{Setup, free_port, get, kong, request};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Output;

const HINT: &str = "\n  Run with --v (verbose) or --vv (debug) for more details\n";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A prefix in which a node could be started.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("kong.conf");
    let text = format!("prefix = {}\ndatabase = off\nstatus_listen = off\n", folder.path().display());
    std::fs::write(&conf, text).unwrap();
    let output = kong(&["prepare", "-c", conf.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    folder
}

#[test]
fn commands_name_a_prefix_that_does_not_exist() {
    for command in ["stop", "quit", "health"] {
        let output = kong(&[command, "-p", "/nonexistent/prefix"]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert_eq!(
            stderr(&output),
            format!("Error: no such prefix: /nonexistent/prefix\n{HINT}"),
            "{command}"
        );
    }
}

#[test]
fn commands_that_need_a_running_node_say_that_none_runs() {
    let prefix = prepared();
    let place = prefix.path().to_str().unwrap();
    for command in ["stop", "quit", "reload"] {
        let output = kong(&[command, "-p", place]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert_eq!(
            stderr(&output),
            format!("Error: nginx not running in prefix: {place}\n{HINT}"),
            "{command}"
        );
    }
    std::fs::write(prefix.path().join("pids/nginx.pid"), "999999999").unwrap();
    assert_eq!(kong(&["stop", "-p", place]).status.code(), Some(1));
}

#[test]
fn a_prefix_where_nothing_was_ever_started_has_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let output = kong(&["stop", "-p", folder.path().to_str().unwrap()]);
    let env = folder.path().join(".kong_env");
    assert_eq!(stderr(&output), format!("Error: no file at: {}\n{HINT}", env.display()));
}

#[test]
fn a_missing_configuration_file_is_named() {
    for command in ["start", "restart", "reload", "drain"] {
        let output = kong(&[command, "-c", "foobar.conf"]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert_eq!(stderr(&output), format!("Error: no file at: foobar.conf\n{HINT}"), "{command}");
    }
}

#[test]
fn draining_without_a_status_listener_says_so_and_succeeds() {
    let prefix = prepared();
    let output = kong(&["drain", "-p", prefix.path().to_str().unwrap()]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "No status listeners found in configuration.\n");
}

#[test]
fn draining_a_node_that_does_not_answer_says_why() {
    let prefix = prepared();
    let port = crate::support::free_port();
    let conf = prefix.path().join("other.conf");
    let text = format!(
        "prefix = {}/other\ndatabase = off\nstatus_listen = 127.0.0.1:{port}\n",
        prefix.path().display()
    );
    std::fs::write(&conf, text).unwrap();
    let output = kong(&["drain", "-c", conf.to_str().unwrap()]);
    assert!(output.status.success());
    let expected =
        format!("Failed to send request to http://127.0.0.1:{port}/status/ready: connection refused\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn dangling_sockets_are_removed_with_a_warning_before_the_start() {
    let prefix = prepared();
    let socket = prefix.path().join("sockets/we");
    drop(UnixListener::bind(&socket).unwrap());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = start_on(prefix.path(), taken.local_addr().unwrap().port());
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("[warn] Found dangling unix sockets in the prefix directory (\""), "{said}");
    assert!(said.contains(&format!("[warn] removing unix socket: {}\n", socket.display())), "{said}");
    assert!(!socket.exists());
}

/// Starts a node on a port that is taken.
fn start_on(prefix: &Path, port: u16) -> Output {
    let conf = prefix.join("kong.conf");
    let mut text = std::fs::read_to_string(&conf).unwrap();
    text.push_str(&format!("proxy_listen = 127.0.0.1:{port}\nadmin_listen = off\nadmin_gui_listen = off\n"));
    std::fs::write(&conf, text).unwrap();
    kong(&["start", "-c", conf.to_str().unwrap()])
}

#[test]
fn draining_tells_load_balancers_to_turn_away_while_requests_are_served() {
    let text = "_format_version: '3.0'\nroutes: [{ paths: [/], plugins: [{ name: request-termination, config: { status_code: 202 } }] }]\n";
    for tls in ["", " ssl"] {
        let port = free_port();
        let gateway =
            Setup::declarative(text).with("status_listen", format!("127.0.0.1:{port}{tls}")).start();
        let ready = || {
            let scheme = if tls.is_empty() { "http" } else { "https" };
            let output = std::process::Command::new("curl")
                .args(["-sk", "-m", "10", "--noproxy", "*", "-w", " %{http_code}"])
                .arg(format!("{scheme}://127.0.0.1:{port}/status/ready"))
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert_eq!(ready(), r#"{"message":"ready"} 200"#);
        let output = gateway.command("drain", &[]);
        assert_eq!(
            (output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()),
            (Some(0), "Kong's status successfully changed to 'draining'\n")
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(ready(), r#"{"message":"draining"} 503"#);
        assert_eq!(get(gateway.proxy, "/", &[]).status, 202);
        // a reload keeps the node out of service, a new start puts it back
        assert!(gateway.reload().status.success());
        assert_eq!(ready(), r#"{"message":"draining"} 503"#);
        assert!(gateway.command("restart", &["-c", gateway.conf_file().to_str().unwrap()]).status.success());
        assert_eq!(ready(), r#"{"message":"ready"} 200"#);
    }
}

#[test]
fn a_node_without_configuration_is_not_ready_until_it_gets_some() {
    let gateway = Setup::default().start();
    let ready = || {
        let reply = get(gateway.status, "/status/ready", &[]);
        (reply.status, reply.json()["message"].as_str().unwrap().to_owned())
    };
    assert_eq!(ready(), (503, "no configuration available (empty configuration present)".to_owned()));
    let posted = br#"{"_format_version":"3.0","services":[{"name":"a","host":"b"}]}"#;
    let json = [("Content-Type", "application/json")];
    assert_eq!(request(gateway.admin, "POST", "/config", &json, posted).status, 201);
    assert_eq!(ready(), (200, "ready".to_owned()));
    let wrong = request(gateway.status, "POST", "/status/ready", &json, br#"{"status":"sleeping"}"#);
    assert_eq!(wrong.status, 400);
    assert_eq!(ready().0, 200);
}
