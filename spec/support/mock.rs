//! Servers that play a part: HTTP by a function, and sinks that keep what they get.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A request as a mock received it.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Field lines, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body, chunked coding taken off.
    pub body: Vec<u8>,
}

/// What a mock answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Field lines besides the length.
    pub fields: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// An HTTP/1.1 server that keeps what it received; it lives as long as the test process.
#[derive(Clone)]
pub struct Mock {
    /// Its port.
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Received {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Answer {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Answer {
        let fields = vec![("Content-Type", "application/json".to_owned())];
        Answer { status, fields, body: body.to_string() }
    }

    /// An answer with a plain body.
    pub fn text(status: u16, body: &str) -> Answer {
        Answer { status, fields: vec![("Content-Type", "text/plain".to_owned())], body: body.to_owned() }
    }
}

impl Mock {
    /// A server whose answers a function makes.
    pub fn start(answer: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Mock {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (received.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), answer.clone());
                thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Mock { port, received }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has received so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("unpoisoned").clone()
    }

    /// The first request that satisfies `wanted`, waited for up to ten seconds.
    pub fn wait_for(&self, wanted: impl Fn(&Received) -> bool) -> Option<Received> {
        wait(|| self.received().into_iter().find(&wanted))
    }
}

/// Serves requests of a connection until it ends.
fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Received>>,
    answer: &(dyn Fn(&Received) -> Answer + Send + Sync),
) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        log.lock().expect("unpoisoned").push(request.clone());
        let answer = answer(&request);
        let fields: String =
            answer.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let body = if request.method == "HEAD" { "" } else { answer.body.as_str() };
        let head =
            format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{fields}\r\n", answer.status, answer.body.len());
        if writer.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let start = line(reader)?;
    let mut parts = start.split(' ');
    let mut request = Received {
        method: parts.next()?.to_owned(),
        target: parts.next()?.to_owned(),
        ..Received::default()
    };
    loop {
        let field = line(reader)?;
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(':')?;
        request.fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if request.field("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(line(reader)?.trim(), 16).ok()?;
            let mut piece = vec![0; size];
            reader.read_exact(&mut piece).ok()?;
            line(reader)?;
            if size == 0 {
                break;
            }
            request.body.extend(piece);
        }
    } else if let Some(length) = request.field("content-length").and_then(|length| length.parse().ok()) {
        request.body = vec![0; length];
        reader.read_exact(&mut request.body).ok()?;
    }
    Some(request)
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let count = reader.read_line(&mut line).ok()?;
    (count > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A socket that keeps the bytes it gets.
#[derive(Clone)]
pub struct Sink {
    /// Its port.
    pub port: u16,
    seen: Arc<Mutex<String>>,
}

impl Sink {
    /// Takes TCP connections and answers nothing.
    pub fn tcp() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(String::new()));
        let log = seen.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let log = log.clone();
                thread::spawn(move || {
                    let mut piece = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut piece) {
                        let text = String::from_utf8_lossy(&piece[..count]).into_owned();
                        log.lock().expect("unpoisoned").push_str(&text);
                    }
                });
            }
        });
        Sink { port, seen }
    }

    /// Takes datagrams, each with a line's end behind it.
    pub fn udp() -> Sink {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(String::new()));
        let log = seen.clone();
        thread::spawn(move || {
            let mut piece = [0; 65536];
            while let Ok(count) = socket.recv(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..count]).into_owned();
                log.lock().expect("unpoisoned").push_str(&format!("{text}\n"));
            }
        });
        Sink { port, seen }
    }

    /// Whether `text` came within ten seconds.
    pub fn got(&self, text: &str) -> bool {
        wait(|| self.seen.lock().expect("unpoisoned").contains(text).then_some(())).is_some()
    }

    /// What came so far.
    pub fn text(&self) -> String {
        self.seen.lock().expect("unpoisoned").clone()
    }
}

/// Asks up to ten seconds long.
fn wait<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = ask();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
