//! Upstreams that swallow what they get: each timeout of a service, and what the client is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::support::{Connection, Gateway, Reply, Setup, at_most, get};

const MESSAGE: &str = "The upstream server is timing out";

fn start(service: &str) -> Gateway {
    Setup::declarative(format!(
        "_format_version: '3.0'\nservices:\n- {{ {service}, routes: [{{ paths: [/] }}] }}\n"
    ))
    .with("nginx_main_worker_processes", "1")
    .start()
}

/// A port where connection attempts get no answer: the queue of its listener is full. It stays so while the sockets
/// live.
fn black_hole() -> (u16, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut sockets = vec![listener];
    for _ in 0..4 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address);
        sockets.push(socket);
    }
    std::thread::sleep(Duration::from_millis(100));
    (address.as_socket().unwrap().port(), sockets)
}

/// Accepts connections, writes `begin` to each after its first bytes and then does nothing more; counts them.
fn silent(begin: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    std::thread::spawn(move || {
        let mut kept: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
            if !begin.is_empty() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(begin);
            }
            kept.push(stream);
        }
    });
    (port, count)
}

fn told(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["message"].as_str().unwrap_or_default().to_owned())
}

fn millis(reply: &Reply, field: &str) -> Duration {
    let value = reply.field(field).unwrap_or_else(|| panic!("no {field}: {reply:?}"));
    Duration::from_millis(value.parse().unwrap())
}

/// What the services of these specs allow for a step.
const TIMEOUT: Duration = Duration::from_millis(300);

const JSON: [(&str, &str); 1] = [("Accept", "application/json")];

#[test]
fn a_connection_that_is_not_taken_is_given_up_after_the_connect_timeout_and_tried_again() {
    let (port, _sockets) = black_hole();
    let gateway = start(&format!("url: 'http://127.0.0.1:{port}', connect_timeout: 300, retries: 2"));
    let asked = Instant::now();
    let reply = get(gateway.proxy, "/", &JSON);
    assert_eq!(told(&reply), (504, MESSAGE.to_owned()));
    let took = asked.elapsed();
    assert!(took >= 3 * TIMEOUT && took < at_most(8 * TIMEOUT), "{took:?} for three tries");
    // the latency is that of the last try
    let (last, before) = (millis(&reply, "X-Kong-Upstream-Latency"), millis(&reply, "X-Kong-Proxy-Latency"));
    assert!(last >= TIMEOUT && before >= 2 * TIMEOUT && last + before <= took, "{reply:?}");
    assert_eq!(reply.field("X-Kong-Upstream-Status"), None);
    let line =
        "upstream timed out (110: Connection timed out) while connecting to upstream, client: 127.0.0.1";
    assert_eq!(gateway.error_log().matches(line).count(), 3, "{}", gateway.error_log());
}

#[test]
fn a_handshake_that_is_not_answered_ends_with_the_connect_timeout() {
    let (port, count) = silent(b"");
    let gateway = start(&format!("url: 'https://127.0.0.1:{port}', connect_timeout: 300, retries: 1"));
    let asked = Instant::now();
    assert_eq!(told(&get(gateway.proxy, "/", &JSON)), (504, MESSAGE.to_owned()));
    assert!(asked.elapsed() < at_most(Duration::from_secs(3)));
    assert_eq!(count.load(Ordering::SeqCst), 2);
    gateway.wait_for_log("upstream timed out (110: Connection timed out) while SSL handshaking to upstream");
}

#[test]
fn a_response_that_does_not_begin_is_awaited_for_the_read_timeout_of_each_try() {
    let (port, count) = silent(b"");
    let gateway = start(&format!("url: 'http://127.0.0.1:{port}', read_timeout: 300, retries: 1"));
    let reply = get(gateway.proxy, "/", &JSON);
    assert_eq!(told(&reply), (504, MESSAGE.to_owned()));
    assert_eq!(count.load(Ordering::SeqCst), 2);
    let took = millis(&reply, "X-Kong-Upstream-Latency");
    assert!(took >= TIMEOUT && took < at_most(5 * TIMEOUT), "{reply:?}");
    gateway.wait_for_log(
        "upstream timed out (110: Connection timed out) while reading response header from upstream",
    );
    // nothing that may have been acted on is sent twice
    let reply = Connection::open(gateway.proxy).request("POST", "/", &JSON, b"x");
    assert_eq!(told(&reply), (504, MESSAGE.to_owned()));
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[test]
fn a_request_that_is_not_taken_ends_with_the_write_timeout() {
    let (port, count) = silent(b"");
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'\nservices:\n- {{ url: 'http://127.0.0.1:{port}', write_timeout: 300, retries: 1, \
         routes: [{{ paths: [/] }}, {{ paths: [/streamed], request_buffering: false }}] }}\n"
    ))
    .with("nginx_http_client_max_body_size", "64m")
    .start();
    let body = vec![b'x'; 32 << 20];
    for (path, tries) in [("/", 1), ("/streamed", 2)] {
        let asked = Instant::now();
        let mut connection = Connection::open(gateway.proxy);
        connection.write(
            format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )
            .as_bytes(),
        );
        let written = connection.try_write(&body);
        if path == "/" {
            assert!(written, "a buffered body is read whole");
            assert_eq!(told(&connection.reply(false)), (504, MESSAGE.to_owned()));
        }
        assert!(asked.elapsed() < at_most(Duration::from_secs(9)), "{path}: {:?}", asked.elapsed());
        gateway.eventually("the line", |gateway| {
            let line = "upstream timed out (110: Connection timed out) while sending request to upstream";
            gateway.error_log().matches(line).count() == tries
        });
        assert_eq!(count.load(Ordering::SeqCst), tries, "a POST is not sent again");
    }
}

#[test]
fn a_body_that_stops_ends_the_connection_after_the_read_timeout() {
    let cases: [&[u8]; 2] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ];
    for begin in cases {
        let (port, count) = silent(begin);
        let gateway = start(&format!("url: 'http://127.0.0.1:{port}', read_timeout: 300, retries: 3"));
        let asked = Instant::now();
        let mut connection = Connection::open(gateway.proxy);
        connection.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = String::from_utf8(connection.rest()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body.contains("half"), "{answer}");
        assert!(!body.ends_with("0\r\n\r\n"), "{answer}");
        let took = asked.elapsed();
        assert!(took >= TIMEOUT && took < at_most(10 * TIMEOUT), "{took:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
        gateway.wait_for_log("upstream timed out (110: Connection timed out) while reading upstream");
    }
}

#[test]
fn an_upstream_may_take_its_time_between_pieces_that_each_come_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        for piece in ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "a", "b", "c", "d"] {
            std::thread::sleep(Duration::from_millis(250));
            stream.write_all(piece.as_bytes()).unwrap();
        }
    });
    let gateway = start(&format!("url: 'http://127.0.0.1:{port}', read_timeout: 5000"));
    let reply = get(gateway.proxy, "/", &[]);
    assert_eq!((reply.status, reply.text().as_str()), (200, "abcd"));
}
