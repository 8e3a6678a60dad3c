//! A client of TLS that tells of its handshake.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

/// What `openssl s_client` tells of a handshake with a port of this machine, and of the answer to a request for `name`.
pub fn s_client(port: u16, name: &str, more: &[&OsStr]) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", name, "-ign_eof"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    client.stdin.take().expect("a pipe").write_all(request.as_bytes()).expect("a request is written");
    String::from_utf8_lossy(&client.wait_with_output().expect("openssl ends").stdout).into_owned()
}
