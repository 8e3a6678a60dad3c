//! Two nodes on one PostgreSQL, written to in turn while clients read from both.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use super::support::{Connection, Gateway, Postgres, Upstream, at_most};
use super::{on_postgres, scaled, write};

/// The most that a write may take to be served by the other node, when nothing else uses the machine.
const PROMPT: Duration = Duration::from_millis(100);

/// A client that reads what one plugin puts into two fields, over and over.
struct Reader<'a> {
    port: u16,
    is_over: &'a AtomicBool,
    answered: &'a AtomicU64,
}

impl Reader<'_> {
    /// Both fields are of one write, and never of an earlier one than before.
    fn run(&self) -> Vec<String> {
        let (mut wrong, mut last) = (Vec::new(), 0);
        let mut connection = Connection::open(self.port);
        while !self.is_over.load(Ordering::Relaxed) && wrong.len() < 5 {
            let reply = connection.get("/steady", &[]);
            let number = |name: &str| reply.field(name).and_then(|value| value.parse::<u64>().ok());
            match (reply.status, number("X-One"), number("X-Two")) {
                (200, Some(one), Some(two)) if one == two && one >= last => last = one,
                (status, one, two) => {
                    wrong.push(format!("{status} {one:?} {two:?} after {last}: {}", reply.text()))
                }
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
            if reply.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                connection = Connection::open(self.port);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        wrong
    }
}

/// One of the two nodes, with connections to it.
struct Side {
    admin: Connection,
    proxy: Connection,
}

impl Side {
    fn of(gateway: &Gateway) -> Side {
        Side { admin: Connection::open(gateway.admin), proxy: Connection::open(gateway.proxy) }
    }

    /// Waits until a path is answered with a status.
    fn wait_for(&mut self, path: &str, status: u16) -> Duration {
        let begun = Instant::now();
        loop {
            let reply = self.proxy.get(path, &[]);
            if reply.status == status {
                return begun.elapsed();
            }
            assert!(reply.status < 500, "{path}: {} {}", reply.status, reply.text());
            assert!(begun.elapsed() < Duration::from_secs(60), "{path}: {}, not {status}", reply.status);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn headers(number: usize) -> Value {
    json!({"add": {"headers": [format!("X-One:{number}"), format!("X-Two:{number}")]}})
}

#[test]
fn writes_on_either_node_are_served_whole_by_the_other_within_a_moment() {
    let (server, upstream) = (Postgres::start(), Upstream::start());
    let setup = on_postgres(&server);
    let gateways = [setup.clone().start(), setup.start()];
    let mut sides = [Side::of(&gateways[0]), Side::of(&gateways[1])];
    let admin = &mut sides[0].admin;
    write(admin, "POST", "/services", &json!({"name": "s", "url": upstream.url()}));
    write(admin, "POST", "/services/s/routes", &json!({"name": "steady", "paths": ["/steady"]}));
    let plugin = json!({"name": "response-transformer", "config": headers(0)});
    let plugin = write(admin, "POST", "/routes/steady/plugins", &plugin).json();
    let plugin = format!("/plugins/{}", plugin["id"].as_str().unwrap());
    sides[1].wait_for("/steady", 200);
    std::thread::sleep(Duration::from_secs(1));
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut waits = std::thread::scope(|scope| {
        let readers: Vec<_> = gateways
            .iter()
            .flat_map(|gateway| [gateway.proxy; 2])
            .map(|port| Reader { port, is_over: &is_over, answered: &answered })
            .map(|reader| scope.spawn(move || reader.run()))
            .collect();
        let waits = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| turns(&mut sides, &plugin)));
        is_over.store(true, Ordering::Relaxed);
        let wrong: Vec<String> = readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        waits.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    waits.sort();
    let p99 = waits[waits.len() * 99 / 100];
    eprintln!(
        "{} writes, p50 {:?}, p99 {p99:?}, max {:?}; {} requests",
        waits.len(),
        waits[waits.len() / 2],
        waits[waits.len() - 1],
        answered.load(Ordering::Relaxed)
    );
    assert!(answered.load(Ordering::Relaxed) > waits.len() as u64);
    assert!(p99 <= at_most(PROMPT), "{p99:?}");
}

/// The path of a route: none begins with that of another one.
fn path(route: usize) -> String {
    format!("/r{route}-")
}

/// Writes in turn, each of another sort; how long each takes to be served by the other node.
fn turns(sides: &mut [Side; 2], plugin: &str) -> Vec<Duration> {
    let mut rng = Rng::with_seed(1);
    let mut routes: Vec<usize> = Vec::new();
    (0..scaled(150, 1000))
        .map(|number| {
            let [one, two] = sides;
            let (writer, reader) = if number % 2 == 0 { (one, two) } else { (two, one) };
            match rng.u8(0..5) {
                0 => {
                    write(&mut writer.admin, "PATCH", plugin, &json!({"config": headers(number + 1)}));
                    let wanted = (number + 1).to_string();
                    let begun = Instant::now();
                    while reader.proxy.get("/steady", &[]).field("X-One") != Some(&wanted) {
                        assert!(begun.elapsed() < Duration::from_secs(60), "{number} is not served");
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    begun.elapsed()
                }
                1 if !routes.is_empty() => {
                    let route = routes.swap_remove(rng.usize(0..routes.len()));
                    write(&mut writer.admin, "DELETE", &format!("/routes/r{route}"), &Value::Null);
                    reader.wait_for(&path(route), 404)
                }
                2 if !routes.is_empty() => {
                    // the plugin goes with its route, so that each has at most one
                    let route = routes.swap_remove(rng.usize(0..routes.len()));
                    let body = json!({"name": "request-termination", "config": {"status_code": 418}});
                    write(&mut writer.admin, "POST", &format!("/routes/r{route}/plugins"), &body);
                    reader.wait_for(&path(route), 418)
                }
                3 if !routes.is_empty() => {
                    let at = rng.usize(0..routes.len());
                    let (from, to) = (routes[at], number + 100_000);
                    routes[at] = to;
                    let body = json!({"name": format!("r{to}"), "paths": [path(to)]});
                    write(&mut writer.admin, "PATCH", &format!("/routes/r{from}"), &body);
                    let wait = reader.wait_for(&path(to), 200);
                    // what the route was is gone in the same moment
                    assert_eq!(reader.proxy.get(&path(from), &[]).status, 404);
                    wait
                }
                _ => {
                    routes.push(number);
                    let body = json!({"name": format!("r{number}"), "paths": [path(number)]});
                    write(&mut writer.admin, "POST", "/services/s/routes", &body);
                    reader.wait_for(&path(number), 200)
                }
            }
        })
        .collect()
}
