//! Clients that send requests without pause and count what goes wrong.

use super::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A load on one port.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<thread::JoinHandle<Vec<String>>>,
}

impl Load {
    /// Starts clients that keep their connection alive, and some that open one for each request.
    pub fn start(port: u16, keep_alive: usize, fresh: usize) -> Load {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |index: usize| {
            let (stop, answered) = (stop.clone(), answered.clone());
            thread::spawn(move || run_client(port, index < keep_alive, &stop, &answered))
        };
        let clients = (0..keep_alive + fresh).map(client).collect();
        Load { stop, answered, clients }
    }

    /// Stops the clients; the number of answers and every failure.
    pub fn finish(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self
            .clients
            .into_iter()
            .flat_map(|client| client.join().unwrap_or_else(|_| vec!["a client panicked".into()]));
        let failures = failures.collect();
        (self.answered.load(Ordering::Relaxed), failures)
    }

    /// Stops the clients and fails unless every request was answered with 200; the number of answers.
    pub fn finish_without_failure(self) -> u64 {
        let (answered, failures) = self.finish();
        let first = &failures[..failures.len().min(5)];
        assert!(failures.is_empty(), "{} of {answered} failed: {first:?}", failures.len());
        answered
    }
}

fn run_client(port: u16, keep_alive: bool, stop: &AtomicBool, answered: &AtomicU64) -> Vec<String> {
    let mut failures = Vec::new();
    let mut connection = Connection::open(port);
    while !stop.load(Ordering::Relaxed) {
        connection.write(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        match connection.try_reply(false) {
            Some(reply) if reply.status == 200 => {
                answered.fetch_add(1, Ordering::Relaxed);
                let closing = reply.field("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
                if closing || !keep_alive {
                    connection = Connection::open(port);
                }
            }
            Some(reply) => failures.push(format!("{} {}", reply.status, reply.text())),
            None => {
                failures.push("closed without an answer".into());
                connection = Connection::open(port);
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    failures
}
