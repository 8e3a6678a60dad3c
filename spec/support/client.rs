//! A client that writes and reads raw bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A response, as it stood on the wire.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Field lines in order, names as sent.
    pub fields: Vec<(String, String)>,
    /// The body, chunked coding taken off.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }
}

/// A connection to 127.0.0.1.
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(port: u16) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the listener accepts");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Connection { stream, unread: Vec::new() }
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the peer takes what is written");
    }

    /// Writes bytes to a peer that may have had enough; whether it took all of them.
    pub fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Writes a request without body and reads its response.
    pub fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.request("GET", path, fields, b"")
    }

    /// Writes a request and reads its response.
    pub fn request(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.write(&[head.as_bytes(), body].concat());
        self.reply(method == "HEAD")
    }

    /// Reads one response; `bodiless` for the answer to a HEAD.
    pub fn reply(&mut self, bodiless: bool) -> Reply {
        self.try_reply(bodiless).expect("a response")
    }

    /// Reads one response; `None` when the connection ends first.
    pub fn try_reply(&mut self, bodiless: bool) -> Option<Reply> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            if !self.fill() {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&self.unread[..end]).into_owned();
        self.unread.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let mut start = lines.next().unwrap_or_default().splitn(3, ' ');
        let status: u16 = start.nth(1).and_then(|s| s.parse().ok()).expect("a status line");
        let reason = start.next().unwrap_or_default().to_string();
        let fields: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_string(), value.trim().to_string()))
            .collect();
        let mut reply = Reply { status, reason, fields, body: Vec::new() };
        if !bodiless && status >= 200 && !matches!(status, 204 | 304) {
            reply.body = self.body(&reply);
        }
        Some(reply)
    }

    /// Whether the peer closed the connection without sending more.
    pub fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && !self.fill() && self.unread.is_empty()
    }

    /// Reads whatever comes until the peer closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.unread)
    }

    /// Reads exactly `count` bytes.
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.fill(), "the connection ended before {count} bytes came");
        }
        self.unread.drain(..count).collect()
    }

    fn body(&mut self, reply: &Reply) -> Vec<u8> {
        if reply.field("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            return self.chunked();
        }
        match reply.field("content-length") {
            Some(length) => self.exactly(length.parse().expect("a length")),
            None => self.rest(),
        }
    }

    fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line(), 16).expect("a chunk size");
            if size == 0 {
                while !self.line().is_empty() {}
                return body;
            }
            body.extend(self.exactly(size));
            self.exactly(2);
        }
    }

    fn line(&mut self) -> String {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                break at;
            }
            assert!(self.fill(), "the connection ended inside a line");
        };
        let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
        self.unread.drain(..end + 2);
        line
    }

    fn fill(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(count) => {
                self.unread.extend_from_slice(&piece[..count]);
                true
            }
            Err(e) if e.kind() == ErrorKind::ConnectionReset => false,
            Err(e) => panic!("reading: {e}; so far: {:?}", String::from_utf8_lossy(&self.unread)),
        }
    }
}

/// One GET on a connection of its own.
pub fn get(port: u16, path: &str, fields: &[(&str, &str)]) -> Reply {
    Connection::open(port).get(path, fields)
}

/// One request on a connection of its own.
pub fn request(port: u16, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Reply {
    Connection::open(port).request(method, path, fields, body)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
