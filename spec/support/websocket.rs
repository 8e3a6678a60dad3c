//! WebSockets, as far as an echo needs them: short frames, one for each message.

use super::Connection;
use base64::Engine;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// RFC 6455, section 1.3: what the key is hashed with.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// An upstream that takes every connection for a WebSocket and sends each message back; its port.
pub fn spawn_websocket_echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    port
}

/// Ends with the connection, whichever way it ends.
fn echo(mut stream: TcpStream) -> Option<()> {
    let key = accept(&read_head(&mut stream)?);
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    write!(stream, "{head}Sec-WebSocket-Accept: {key}\r\n\r\n").ok()?;
    loop {
        let mut start = [0; 6];
        stream.read_exact(&mut start).ok()?;
        let [_, length, mask @ ..] = start;
        let mut message = vec![0; usize::from(length & 0x7f)];
        stream.read_exact(&mut message).ok()?;
        message.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        stream.write_all(&[&[0x81, message.len() as u8], message.as_slice()].concat()).ok()?;
    }
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn accept(head: &str) -> String {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let key = fields.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")).map(|(_, key)| key);
    let text = format!("{}{GUID}", key.collect::<String>().trim());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// A WebSocket through the gateway.
pub struct WebSocket(Connection);

impl WebSocket {
    /// Connects and upgrades.
    pub fn open(port: u16, path: &str) -> WebSocket {
        let mut connection = Connection::open(port);
        let fields = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY),
        ];
        let reply = connection.get(path, &fields);
        assert_eq!(reply.status, 101, "{}", reply.text());
        // RFC 6455 gives this key's answer as its example.
        assert_eq!(reply.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        WebSocket(connection)
    }

    /// Sends a message of less than 126 bytes and returns the one that comes back.
    pub fn echo(&mut self, message: &str) -> String {
        let mask = [1, 2, 3, 4];
        let masked = message.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let mut frame = vec![0x81, 0x80 | message.len() as u8];
        frame.extend(mask);
        frame.extend(masked);
        self.0.write(&frame);
        let start = self.0.exactly(2);
        String::from_utf8(self.0.exactly(start[1].into())).expect("text")
    }
}
