//! Reloading under load.

use crate::support::{
    Connection, Gateway, Load, Setup, Upstream, WebSocket, at_most, free_port, get, spawn_websocket_echo,
};
use std::thread;
use std::time::Duration;

fn echo_gateway(upstream: &Upstream, answer: &str) -> Gateway {
    Setup::declarative(declarative(upstream, answer)).start()
}

fn declarative(upstream: &Upstream, answer: &str) -> String {
    format!(
        "_format_version: '3.0'
services:
- name: s
  url: {}
  routes:
  # Named: a route without a name gets a new id, and so new counters, each time the file is read.
  - name: r
    paths: [/]
    plugins:
    - name: rate-limiting
      config: {{ hour: 1000000, policy: local, limit_by: service }}
    - name: response-transformer
      config: {{ add: {{ headers: ['X-Answer:{answer}'] }} }}
",
        upstream.url()
    )
}

fn counted(gateway: &Gateway) -> u64 {
    let reply = get(gateway.proxy, "/", &[]);
    1_000_000
        - reply.field("X-RateLimit-Remaining-Hour").expect("a counter").parse::<u64>().expect("a number")
}

/// A small number for every day; the whole one when `SPEC_FULL` is set.
fn scaled(small: usize, whole: usize) -> usize {
    if std::env::var_os("SPEC_FULL").is_some() { whole } else { small }
}

#[test]
fn no_request_is_lost_over_reloads_and_declarative_changes_and_counters_survive() {
    let upstream = Upstream::start();
    let mut gateway = echo_gateway(&upstream, "0");
    let (listen, extra) = (gateway.properties["proxy_listen"].clone(), free_port());
    let load = Load::start(gateway.proxy, scaled(16, 64), scaled(4, 8));
    for round in 1..=scaled(6, 20) {
        gateway.properties.insert("nginx_main_worker_processes".into(), (1 + round % 3).to_string());
        let also = if round % 2 == 0 { String::new() } else { format!(", 127.0.0.1:{extra} reuseport") };
        gateway.properties.insert("proxy_listen".into(), listen.clone() + &also);
        gateway.write_conf();
        let output = gateway.reload();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "Kong reloaded\n");
        assert_eq!(std::net::TcpStream::connect(("127.0.0.1", extra)).is_ok(), round % 2 == 1);

        std::fs::write(gateway.declarative_file(), declarative(&upstream, &round.to_string())).unwrap();
        gateway.eventually("the changed file", |gateway| {
            let reply = get(gateway.admin, "/plugins", &[]);
            reply.text().contains(&format!("X-Answer:{round}\""))
        });
    }
    let answered = load.finish_without_failure();
    println!("{answered} requests answered");
    assert_eq!(counted(&gateway), answered + 1);
}

#[test]
fn a_request_on_an_idle_connection_is_answered_during_and_after_a_reload() {
    let upstream = Upstream::start();
    let gateway = echo_gateway(&upstream, "a");
    let mut idle: Vec<Connection> = (0..40).map(|_| Connection::open(gateway.proxy)).collect();
    for connection in &mut idle {
        assert_eq!(connection.get("/", &[]).status, 200);
    }
    let old = gateway.worker();
    thread::scope(|scope| {
        let reload = scope.spawn(|| gateway.reload());
        for connection in idle.iter_mut().skip(1) {
            assert_eq!(connection.get("/", &[]).status, 200);
            thread::sleep(Duration::from_millis(25));
        }
        assert!(reload.join().unwrap().status.success());
    });
    assert_ne!(gateway.workers().last(), Some(&old));
    let last = idle[0].get("/", &[]);
    assert_eq!((last.status, last.field("connection")), (200, Some("close")));
    assert!(idle[0].is_closed());
}

#[test]
fn a_websocket_from_before_a_reload_echoes_after_it() {
    let yaml = "_format_version: '3.0'\nservices:\n- name: s\n  routes: [{ name: r, paths: [/] }]\n";
    let gateway =
        Setup::declarative(format!("{yaml}  url: http://127.0.0.1:{}\n", spawn_websocket_echo())).start();
    let mut socket = WebSocket::open(gateway.proxy, "/chat");
    assert_eq!(socket.echo("before"), "before");
    let old = gateway.worker();
    for round in ["first", "second"] {
        assert!(gateway.reload().status.success());
        assert_eq!(socket.echo(round), round);
        assert_eq!(WebSocket::open(gateway.proxy, "/chat").echo("new"), "new");
    }
    assert!(gateway.workers().contains(&old), "the connection keeps its process");
    drop(socket);
    gateway.eventually("the old process's end", |gateway| !gateway.workers().contains(&old));
}

#[test]
fn ten_crashes_in_a_row_are_backed_off_from_and_then_it_serves() {
    let upstream = Upstream::start();
    let gateway = echo_gateway(&upstream, "a");
    let starts = |gateway: &Gateway| gateway.error_log().matches("start worker process").count();
    for _ in 0..11 {
        let victim = gateway.worker();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(victim as i32), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
        gateway.eventually("another one", |gateway| gateway.workers().iter().any(|pid| *pid != victim));
        assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
    }
    gateway.wait_for_log("worker processes keep failing, the next one starts in 100 ms");
    let before = starts(&gateway);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(starts(&gateway), before);
    assert_eq!((before, counted(&gateway)), (11, 12));
}

#[test]
fn a_changed_declarative_file_is_live_without_a_lost_request_and_a_broken_one_changes_nothing() {
    let upstream = Upstream::start();
    let gateway = echo_gateway(&upstream, "first");
    let answer = |gateway: &Gateway| get(gateway.proxy, "/", &[]).field("X-Answer").map(str::to_string);
    let load = Load::start(gateway.proxy, 8, 2);
    let workers = gateway.workers();
    for text in ["second", "third"] {
        std::fs::write(gateway.declarative_file(), declarative(&upstream, text)).unwrap();
        gateway.eventually(text, |gateway| answer(gateway).as_deref() == Some(text));
    }
    std::fs::write(gateway.declarative_file(), "_format_version: '3.0'\nservices:\n- port: x\n").unwrap();
    gateway.wait_for_log("expected an integer");
    assert_eq!(answer(&gateway).as_deref(), Some("third"));
    assert_eq!(gateway.workers(), workers);
    load.finish_without_failure();
}

#[test]
fn a_broken_kong_conf_keeps_the_running_configuration_and_says_why() {
    let upstream = Upstream::start();
    let mut gateway = echo_gateway(&upstream, "a");
    let workers = gateway.workers();
    gateway.properties.insert("log_level".into(), "loud".into());
    gateway.write_conf();
    let output = gateway.reload();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("log_level has an invalid value: 'loud'"), "{said}");
    // The process that tried the file may still be on its way out.
    gateway.eventually("the old worker process alone", |gateway| gateway.workers() == workers);
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);

    gateway.properties.insert("log_level".into(), "notice".into());
    gateway.write_conf();
    gateway.eventually("a new worker process", |gateway| gateway.workers() != workers);
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
}

#[test]
fn a_killed_worker_process_is_replaced_within_a_second() {
    let upstream = Upstream::start();
    let gateway = echo_gateway(&upstream, "a");
    let before = counted(&gateway);
    for pid in gateway.workers() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
    }
    let started = std::time::Instant::now();
    let mut connection = Connection::open(gateway.proxy);
    connection.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connection.reply(false).status, 200);
    assert!(started.elapsed() < at_most(Duration::from_secs(1)), "{:?}", started.elapsed());
    assert_eq!(counted(&gateway), before + 2);
}
