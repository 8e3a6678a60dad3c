//! Starting, restarting, reloading and stopping from the command line.

use crate::support::{Connection, Gateway, Setup, free_port, get, kong, kong_with, request};
use std::fs;
use std::process::Output;

const EMPTY: &str = "_format_version: '3.0'\n";

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn node_id(gateway: &Gateway) -> String {
    get(gateway.admin, "/", &[]).json()["node_id"].to_string()
}

fn services(gateway: &Gateway) -> Vec<String> {
    let list = get(gateway.admin, "/services", &[]).json();
    list["data"].as_array().unwrap().iter().map(|service| service["name"].to_string()).collect()
}

#[test]
fn a_restart_ends_the_running_node_and_starts_one_where_none_runs() {
    let gateway = Setup::declarative(EMPTY).start();
    let conf = gateway.conf_file().display().to_string();
    let mut master = gateway.master();
    for round in 0..3 {
        if round == 2 {
            out(&gateway.command("stop", &[]));
        }
        let expected = if round == 2 { "Kong started\n" } else { "Kong stopped\nKong started\n" };
        assert_eq!(out(&kong(&["restart", "-c", &conf])), expected);
        assert_ne!(gateway.master(), master);
        master = gateway.master();
    }
    let prefix = gateway.prefix.display().to_string();
    let restarted = out(&kong(&["restart", "--prefix", &prefix, "-c", &conf]));
    assert_eq!(restarted, "Kong stopped\nKong started\n");
    assert!(gateway.is_running());
}

#[test]
fn a_second_start_leaves_the_prefix_of_the_first_alone() {
    let gateway = Setup::declarative(EMPTY).start();
    let env = gateway.prefix.join(".kong_env");
    let before = fs::read_to_string(&env).unwrap();
    assert!(before.contains("nginx_main_worker_processes = 2\n"), "{before}");
    let conf = gateway.conf_file().display().to_string();
    let second = kong_with(&[("KONG_NGINX_MAIN_WORKER_PROCESSES", "1")], &["start", "-c", &conf]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.starts_with(&format!("Error: Kong is already running in {}\n", gateway.prefix.display())));
    assert_eq!(fs::read_to_string(&env).unwrap(), before);
}

#[test]
fn verbose_starts_tell_sources_and_values_in_order_and_no_secret() {
    let gateway = Setup::declarative(EMPTY).start();
    out(&gateway.command("stop", &[]));
    let conf = gateway.conf_file().display().to_string();
    let told = out(&kong_with(&[("KONG_PG_PASSWORD", "do not print")], &["start", "--vv", "-c", &conf]));
    let pieces = [
        "[verbose] Kong: 3.9.3\n",
        &format!("[verbose] reading config file at {conf}\n"),
        "[debug] KONG_PG_PASSWORD ENV found with \"******\"\n",
        &format!("[verbose] prefix in use: {}\n", gateway.prefix.display()),
        "[debug] admin_listen = {",
        "[debug] anonymous_reports = false\n",
        "[debug] database = \"off\"\n",
        "[debug] pg_password = \"******\"\n",
        "[debug] prefix = \"",
        "[verbose] preparing nginx prefix directory at ",
        "Kong started\n",
    ];
    let mut from = 0;
    for piece in pieces {
        from += told[from..].find(piece).unwrap_or_else(|| panic!("no {piece:?} in {}", &told[from..]));
    }
    assert!(!told.contains("do not print"));
}

#[test]
fn a_healthy_life_logs_nothing_above_notice() {
    let gateway = Setup::declarative(EMPTY).start();
    assert_eq!(get(gateway.proxy, "/", &[]).status, 404);
    assert_eq!(out(&gateway.command("health", &[])).lines().next(), Some("nginx.......running"));
    assert_eq!(out(&gateway.reload()), "Kong reloaded\n");
    assert_eq!(out(&gateway.command("quit", &["--timeout", "5"])), "Kong stopped (gracefully)\n");
    let log = gateway.error_log();
    for level in ["emerg", "alert", "crit", "error", "warn"] {
        assert!(!log.contains(&format!("[{level}]")), "{log}");
    }
    assert_eq!(gateway.command("health", &[]).status.code(), Some(1));
}

#[test]
fn a_node_that_is_busy_is_quit_after_the_timeout() {
    let upstream = crate::support::Upstream::start();
    let service = format!("services: [{{ name: s, url: '{}', routes: [{{ paths: [/] }}] }}]", upstream.url());
    let gateway = Setup::declarative(format!("{EMPTY}{service}\n")).start();
    let mut busy = Connection::open(gateway.proxy);
    busy.write(b"GET /delay/20000 HTTP/1.1\r\nHost: a\r\n\r\n");
    std::thread::sleep(std::time::Duration::from_secs(1));
    let quit = gateway.command("quit", &["--timeout", "1"]);
    assert_eq!(out(&quit), "Timeout, Kong stopped forcefully\n");
    assert!(busy.is_closed());
    gateway.eventually("its end", |gateway| !gateway.prefix.join("pids/nginx.pid").exists());
}

#[test]
fn a_reload_takes_another_file_and_the_commands_variables_and_keeps_master_and_node_id() {
    let gateway = Setup::declarative(EMPTY).start();
    let (master, node) = (gateway.master(), node_id(&gateway));
    let prefix = gateway.prefix.display().to_string();
    let answers = |port: u16| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();

    let (from_file, from_variable) = (free_port(), free_port());
    let other = gateway.folder().join("other.conf");
    let text = fs::read_to_string(gateway.conf_file()).unwrap();
    fs::write(&other, format!("{text}proxy_listen = 127.0.0.1:{from_file}\n")).unwrap();
    assert_eq!(out(&kong(&["reload", "-c", other.to_str().unwrap()])), "Kong reloaded\n");
    assert!(answers(from_file) && !answers(gateway.proxy));

    let listen = format!("127.0.0.1:{from_variable}");
    let variables = [("KONG_PROXY_LISTEN", listen.as_str())];
    assert_eq!(out(&kong_with(&variables, &["reload", "-p", &prefix])), "Kong reloaded\n");
    assert!(answers(from_variable) && !answers(from_file));
    assert_eq!((gateway.master(), node_id(&gateway)), (master, node));
}

#[test]
fn a_file_that_a_reload_names_lies_over_what_the_node_was_started_with() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("prefix").display().to_string();
    let (first, second) = (free_port(), free_port());
    let listen = format!("127.0.0.1:{first}");
    let variables = [
        ("KONG_PREFIX", prefix.as_str()),
        ("KONG_DATABASE", "off"),
        ("KONG_PROXY_LISTEN", &listen),
        ("KONG_ADMIN_LISTEN", "off"),
        ("KONG_ADMIN_GUI_LISTEN", "off"),
        ("KONG_NGINX_MAIN_WORKER_PROCESSES", "1"),
    ];
    assert!(out(&kong_with(&variables, &["start"])).ends_with("Kong started\n"));
    let answers = |port: u16| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(answers(first));
    let file = folder.path().join("kong.conf");
    let reload = |text: &str| {
        fs::write(&file, format!("prefix = {prefix}\n{text}")).unwrap();
        kong(&["reload", "-c", file.to_str().unwrap()])
    };
    let said = reload(&format!("proxy_listen = 127.0.0.1:{second}\n"));
    let moved = answers(second) && !answers(first);
    // what the file said once is part of what serves
    let again = reload("");
    let stayed = answers(second);
    assert_eq!(out(&kong(&["stop", "-p", &prefix])), "Kong stopped\n");
    assert_eq!((out(&said).as_str(), moved), ("Kong reloaded\n", true));
    assert_eq!((out(&again).as_str(), stayed), ("Kong reloaded\n", true));
}

#[test]
fn what_was_posted_survives_a_reload_and_a_crash_until_the_file_says_something_new() {
    let gateway = Setup::declarative(format!("{EMPTY}services: [{{ name: from-file, host: a }}]\n")).start();
    assert_eq!(services(&gateway), ["\"from-file\""]);
    let posted = br#"{"_format_version":"3.0","services":[{"name":"posted","host":"b"}]}"#;
    let json = [("Content-Type", "application/json")];
    assert_eq!(request(gateway.admin, "POST", "/config", &json, posted).status, 201);
    assert_eq!(out(&gateway.reload()), "Kong reloaded\n");
    assert_eq!(services(&gateway), ["\"posted\""]);

    let victim = gateway.worker();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(victim.cast_signed()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    gateway.eventually("another worker process", |gateway| !gateway.workers().contains(&victim));
    assert_eq!(services(&gateway), ["\"posted\""]);

    let changed = format!("{EMPTY}services: [{{ name: changed, host: a }}]\n");
    fs::write(gateway.declarative_file(), changed).unwrap();
    assert_eq!(out(&gateway.reload()), "Kong reloaded\n");
    gateway.eventually("the changed file", |gateway| services(gateway) == ["\"changed\""]);
}
