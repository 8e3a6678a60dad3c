//! What the master does on signals.

use crate::support::{Connection, Gateway, Load, Setup, Upstream, get};
use nix::sys::signal::Signal;
use std::net::TcpStream;
use std::time::Duration;

fn start(upstream: &Upstream) -> Gateway {
    let service = format!("services: [{{ name: s, url: '{}', routes: [{{ paths: [/] }}] }}]", upstream.url());
    Setup::declarative(format!("_format_version: '3.0'\n{service}\n")).start()
}

#[test]
fn usr1_opens_all_logs_anew_and_is_logged_and_usr2_changes_nothing() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    let worker = gateway.worker();
    let log = |name: &str| gateway.prefix.join("logs").join(name);
    for name in ["access.log", "error.log"] {
        std::fs::rename(log(name), log(&format!("{name}.1"))).unwrap();
    }
    gateway.signal(Signal::SIGUSR1);
    gateway.eventually("a new access log", |gateway| {
        get(gateway.proxy, "/after", &[]);
        std::fs::read_to_string(log("access.log")).is_ok_and(|text| text.contains("GET /after HTTP/1.1"))
    });
    let logs = || std::fs::read_to_string(log("error.log.1")).unwrap() + &gateway.error_log();
    assert!(logs().contains("(SIGUSR1) received from"), "{}", logs());
    gateway.signal(Signal::SIGUSR2);
    gateway.eventually("the line about USR2", |_| logs().contains("(SIGUSR2) received from"));
    assert_eq!(gateway.worker(), worker);
}

#[test]
fn hup_reads_a_changed_file_and_goes_on_without_a_deleted_one() {
    let upstream = Upstream::start();
    let mut gateway = start(&upstream);
    let via = |gateway: &Gateway| get(gateway.proxy, "/", &[]).field("Via").is_some();
    assert!(via(&gateway));
    let load = Load::start(gateway.proxy, 4, 2);
    let hup = |gateway: &Gateway| {
        let before = gateway.worker();
        gateway.signal(Signal::SIGHUP);
        gateway.eventually("another worker process", |gateway| !gateway.workers().contains(&before));
    };
    gateway.properties.insert("config_watch".into(), "off".into());
    gateway.properties.insert("headers".into(), "off".into());
    gateway.write_conf();
    hup(&gateway);
    assert!(!via(&gateway));
    std::fs::remove_file(gateway.conf_file()).unwrap();
    hup(&gateway);
    assert!(!via(&gateway), "what the file said last still holds");
    gateway.properties.remove("headers");
    gateway.write_conf();
    hup(&gateway);
    assert!(via(&gateway), "a line that is gone is its default again");
    load.finish_without_failure();
}

#[test]
fn quit_answers_what_is_open_and_accepts_no_more_and_term_waits_for_nothing() {
    let upstream = Upstream::start();
    for (signal, answered) in [(Signal::SIGQUIT, true), (Signal::SIGTERM, false)] {
        let gateway = start(&upstream);
        let mut connection = Connection::open(gateway.proxy);
        connection.write(b"GET /delay/4000 HTTP/1.1\r\nHost: a\r\n\r\n");
        std::thread::sleep(Duration::from_secs(1));
        gateway.signal(signal);
        gateway.eventually("closed listeners", |gateway| {
            TcpStream::connect(("127.0.0.1", gateway.proxy)).is_err()
        });
        let reply = connection.try_reply(false).map(|reply| reply.status);
        assert_eq!(reply, answered.then_some(200), "{signal}");
        gateway.eventually("its end", |gateway| !gateway.is_running());
        assert!(!gateway.prefix.join("pids/nginx.pid").exists());
    }
}

#[test]
fn winch_drains_until_a_reload() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    gateway.signal(Signal::SIGWINCH);
    gateway.eventually("no worker process", |gateway| gateway.workers().is_empty());
    assert!(gateway.is_running());
    assert!(gateway.reload().status.success());
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
}

/// A worker that is busy ends later than a new worker process that is still loading.
#[test]
fn nothing_brings_a_gateway_back_that_was_told_to_end_during_a_reload() {
    let busy = "local t = os.time() + 2; while os.time() < t do end";
    for (signal, pause) in [(Signal::SIGTERM, 30), (Signal::SIGTERM, 120), (Signal::SIGQUIT, 60)] {
        let gateway = Setup::declarative(format!(
            "_format_version: '3.0'\nroutes: [{{ paths: [/], plugins: [{{ name: pre-function, config: {{ access: ['{busy}'] }} }}] }}]\n"
        ))
        .start();
        let master = gateway.master();
        let mut connection = Connection::open(gateway.proxy);
        connection.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        std::thread::sleep(Duration::from_millis(100));
        gateway.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_millis(pause));
        gateway.signal(signal);
        let lives = || std::path::Path::new(&format!("/proc/{master}")).exists();
        gateway.eventually("the end of the master", |_| !lives());
        let log = gateway.error_log();
        let after = log.split_once("received from").and_then(|(_, rest)| rest.split_once("received from"));
        let (_, after) = after.expect("two signals in the log");
        assert!(!after.contains("the gateway serves") && !after.contains("start worker process"), "{after}");
    }
}

#[test]
fn a_gateway_whose_worker_process_was_just_killed_ends_when_told_to() {
    for pause in [0, 50, 150, 300] {
        let gateway = Setup::declarative("_format_version: '3.0'\n").start();
        let master = gateway.master();
        let victim = nix::unistd::Pid::from_raw(gateway.worker().cast_signed());
        nix::sys::signal::kill(victim, Signal::SIGKILL).unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        assert!(gateway.command("stop", &[]).status.success());
        let lives = || std::path::Path::new(&format!("/proc/{master}")).exists();
        gateway.eventually("the end of the master", |_| !lives());
    }
}
