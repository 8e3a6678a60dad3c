//! A Redis server of the spec's own.

use super::free_port;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running `redis-server`; ended when dropped.
pub struct Redis {
    /// Its port.
    pub port: u16,
    process: Child,
}

/// A reply, nested as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisReply {
    /// A simple or bulk string, or an error with its sign.
    Text(String),
    /// A number.
    Number(i64),
    /// Nothing.
    Null,
    /// A list.
    List(Vec<RedisReply>),
}

impl Redis {
    /// Starts one that keeps nothing; `None` when `redis-server` is not installed.
    pub fn start() -> Option<Redis> {
        Redis::start_with(&[])
    }

    /// The same with further arguments.
    pub fn start_with(arguments: &[&str]) -> Option<Redis> {
        let port = free_port();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let redis = Redis { port, process };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(redis)
    }

    /// One that also speaks TLS, on the port returned, with a certificate for `name`; and where the certificate of
    /// its authority is.
    pub fn start_with_tls(folder: &Path, name: &str) -> Option<(Redis, u16, PathBuf)> {
        let pair = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
        let (cert, key) = (folder.join("redis.crt"), folder.join("redis.key"));
        std::fs::write(&cert, pair.cert.pem()).expect("a file");
        std::fs::write(&key, pair.signing_key.serialize_pem()).expect("a file");
        let port = free_port();
        let (cert_path, key_path) = (cert.display().to_string(), key.display().to_string());
        let redis = Redis::start_with(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &cert_path,
            "--tls-key-file",
            &key_path,
            "--tls-ca-cert-file",
            &cert_path,
            "--tls-auth-clients",
            "no",
        ])?;
        Some((redis, port, cert))
    }

    /// Sends a command to a database and reads the reply.
    pub fn ask(&self, database: u32, command: &[&str]) -> RedisReply {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let mut reader = BufReader::new(stream);
        let mut send = |words: &[&str]| {
            let mut text = format!("*{}\r\n", words.len());
            for word in words {
                text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
            }
            reader.get_mut().write_all(text.as_bytes()).expect("it takes the command");
            read_reply(&mut reader)
        };
        send(&["SELECT", &database.to_string()]);
        send(command)
    }

    /// The names of the counters in a database.
    pub fn keys(&self, database: u32) -> Vec<String> {
        let RedisReply::List(keys) = self.ask(database, &["KEYS", "*"]) else { return Vec::new() };
        keys.into_iter()
            .filter_map(|key| match key {
                RedisReply::Text(key) => Some(key),
                _ => None,
            })
            .collect()
    }
}

fn read_reply(reader: &mut impl BufRead) -> RedisReply {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a reply");
    let line = line.trim_end();
    let (kind, rest) = line.split_at(1);
    match kind {
        ":" => RedisReply::Number(rest.parse().expect("a number")),
        "$" => match rest.parse::<i64>().expect("a length") {
            -1 => RedisReply::Null,
            length => {
                let mut bytes = vec![0; length as usize + 2];
                reader.read_exact(&mut bytes).expect("a string");
                bytes.truncate(length as usize);
                RedisReply::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
        },
        "*" => {
            let count: usize = rest.parse().expect("a count");
            RedisReply::List((0..count).map(|_| read_reply(reader)).collect())
        }
        "+" => RedisReply::Text(rest.to_owned()),
        _ => RedisReply::Text(line.to_owned()),
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
