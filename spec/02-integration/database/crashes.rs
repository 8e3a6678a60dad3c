//! Nodes and imports that are killed in the middle of writes.

use std::collections::{HashMap, HashSet};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::support::{Connection, Gateway, Postgres, Setup, command};
use super::{on_postgres, on_sqlite, rows, scaled, try_write};

/// How many names each certificate is written with.
const NAMES: usize = 3;

#[test]
fn what_a_killed_node_on_sqlite_acknowledged_is_there_and_whole() {
    kill_in_the_middle(on_sqlite());
}

#[test]
fn what_a_killed_node_on_postgres_acknowledged_is_there_and_whole() {
    let server = Postgres::start();
    kill_in_the_middle(on_postgres(&server));
}

#[test]
fn an_import_into_sqlite_that_is_killed_leaves_all_or_nothing() {
    kill_imports(on_sqlite());
}

#[test]
fn an_import_into_postgres_that_is_killed_leaves_all_or_nothing() {
    let server = Postgres::start();
    kill_imports(on_postgres(&server));
}

fn kill_in_the_middle(setup: Setup) {
    let gateway = setup.start();
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let pair = (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem());
    let mut rng = Rng::with_seed(1);
    let mut acknowledged = HashSet::new();
    let (mut number, mut kills) = (0, 0);
    while number < scaled(300, 1000) {
        // not between two writes, but at any moment of one
        let (until, moment) = (number + rng.usize(10..60), Duration::from_micros(rng.u64(0..8000)));
        let progress = AtomicUsize::new(number);
        std::thread::scope(|scope| {
            let (gateway, progress) = (&gateway, &progress);
            scope.spawn(move || {
                while progress.load(Ordering::Relaxed) < until {
                    std::thread::sleep(Duration::from_micros(200));
                }
                std::thread::sleep(moment);
                kill_node(gateway);
            });
            number = write_until_it_dies(gateway, &pair, progress, &mut acknowledged);
        });
        kills += 1;
        gateway.eventually("another start", |gateway| {
            gateway.command("start", &["-c", gateway.conf_file().to_str().unwrap()]).status.success()
        });
        check(&gateway, &acknowledged);
    }
    eprintln!("{} of {number} writes acknowledged, {kills} kills", acknowledged.len());
    assert!(kills > 1 && acknowledged.len() > number / 2);
}

fn kill_node(gateway: &Gateway) {
    for process in [vec![gateway.master()], gateway.workers()].concat() {
        let _ = kill(Pid::from_raw(process.cast_signed()), Signal::SIGKILL);
    }
}

/// Adds consumers and certificates with names, by turns.
fn write_until_it_dies(
    gateway: &Gateway,
    (cert, key): &(String, String),
    progress: &AtomicUsize,
    acknowledged: &mut HashSet<String>,
) -> usize {
    let mut connection = Connection::open(gateway.admin);
    loop {
        let number = progress.fetch_add(1, Ordering::Relaxed) + 1;
        let names: Vec<String> = (0..NAMES).map(|place| format!("n{place}.c{number}.test")).collect();
        let (path, body, name) = match number % 2 {
            0 => ("/consumers", json!({"username": format!("c{number}")}), format!("c{number}")),
            _ => ("/certificates", json!({"cert": cert, "key": key, "snis": names}), names[0].clone()),
        };
        match try_write(&mut connection, "POST", path, &body) {
            Some(reply) if reply.status == 201 => drop(acknowledged.insert(name)),
            Some(reply) => panic!("{path}: {} {}", reply.status, reply.text()),
            None => return number,
        }
    }
}

/// What was acknowledged is there, and each certificate has all of its names.
fn check(gateway: &Gateway, acknowledged: &HashSet<String>) {
    let mut found: HashSet<String> = HashSet::new();
    found.extend(rows(gateway, "/consumers").iter().map(|row| row["username"].as_str().unwrap().to_owned()));
    let mut names: HashMap<String, usize> = HashMap::new();
    for sni in rows(gateway, "/snis") {
        *names.entry(sni["certificate"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
        found.insert(sni["name"].as_str().unwrap().to_owned());
    }
    let lost: Vec<&String> = acknowledged.iter().filter(|name| !found.contains(*name)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let certificates = rows(gateway, "/certificates");
    assert_eq!(certificates.len(), names.len());
    assert!(names.values().all(|count| *count == NAMES), "half a certificate: {names:?}");
}

fn kill_imports(setup: Setup) {
    let gateway = setup.start();
    let mut rng = Rng::with_seed(1);
    let size = scaled(2000, 10_000);
    let (mut whole, mut none) = (0, 0);
    // how long one takes that is left alone, so that the others are killed before and after its end
    let mut takes = Duration::from_secs(2);
    for round in 0..scaled(5, 25) {
        let file = gateway.folder().join("in.yml");
        std::fs::write(&file, document(round, size)).unwrap();
        let begun = Instant::now();
        let conf = gateway.conf_file();
        let mut import =
            command(&[], &["config", "db_import", file.to_str().unwrap(), "-c", conf.to_str().unwrap()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
        if round > 0 {
            std::thread::sleep(takes.mul_f64(rng.f64() * 1.1));
            let _ = import.kill();
        }
        let ended = import.wait().unwrap();
        if round == 0 {
            assert!(ended.success());
            takes = begun.elapsed();
        }
        let mine = format!("i{round}-");
        let is_mine =
            |row: &Value, field: &str| row[field].as_str().is_some_and(|text| text.starts_with(&mine));
        // the server may still be at work for a client that is gone
        let mut counts = (0, 0);
        gateway.eventually("all or nothing", |gateway| {
            let consumers = rows(gateway, "/consumers").iter().filter(|row| is_mine(row, "username")).count();
            let keys = rows(gateway, "/key-auths").iter().filter(|row| is_mine(row, "key")).count();
            counts = (consumers, keys);
            assert!(consumers == 0 || consumers == size, "half an import is seen: {counts:?} of {size}");
            consumers == keys
        });
        if counts.0 == 0 {
            none += 1
        } else {
            whole += 1
        }
        assert!(!ended.success() || counts.0 == size, "an import that succeeded is lost");
    }
    eprintln!("{whole} imports whole, {none} not at all; one takes {takes:?}");
    assert!(whole > 0);
}

fn document(round: usize, size: usize) -> String {
    let mut text = "_format_version: '3.0'\nconsumers:\n".to_owned();
    for number in 0..size {
        let name = format!("i{round}-{number}");
        text.push_str(&format!("- {{ username: {name}, keyauth_credentials: [{{ key: {name} }}] }}\n"));
    }
    text
}
