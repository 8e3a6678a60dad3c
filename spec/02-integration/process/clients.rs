//! Clients that count what goes wrong.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::echo::Answer;

/// A connection on which requests follow each other.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(port: u16) -> io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    pub fn ask(&mut self, line: &str) -> io::Result<Answer> {
        self.stream.get_mut().write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&answer)?)
    }
}

/// One request on a new connection.
pub fn ask(port: u16) -> io::Result<Answer> {
    Client::connect(port)?.ask("hello")
}

/// Steady load from several threads.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<io::Error>>>,
}

impl Load {
    /// `fresh` clients open a connection for each request, `steady` ones keep theirs until told that it ends.
    pub fn start(port: u16, fresh: usize, steady: usize) -> Load {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |keep: bool| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || run(port, keep, &stop, &answered))
        };
        let clients = (0..fresh + steady).map(|n| client(n >= fresh)).collect();
        Load { stop, answered, clients }
    }

    /// Ends the load: the number of answers, and everything that went wrong.
    pub fn end(self) -> (usize, Vec<io::Error>) {
        self.stop.store(true, Ordering::Relaxed);
        let errors = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (self.answered.load(Ordering::Relaxed), errors)
    }
}

fn run(port: u16, keep: bool, stop: &AtomicBool, answered: &AtomicUsize) -> Vec<io::Error> {
    let (mut errors, mut kept) = (Vec::new(), None);
    while !stop.load(Ordering::Relaxed) {
        let outcome = kept.take().map_or_else(|| Client::connect(port), Ok).and_then(|mut client: Client| {
            let answer = client.ask("hello")?;
            answered.fetch_add(1, Ordering::Relaxed);
            kept = (keep && !answer.last).then_some(client);
            Ok(())
        });
        errors.extend(outcome.err());
        std::thread::sleep(Duration::from_micros(if keep { 500 } else { 1000 }));
    }
    errors
}
