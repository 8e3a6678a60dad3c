//! Bytes in, bytes out: what an upstream gets and what a client gets, against what nginx makes of the same bytes.
//!
//! Each case says both; where nginx is installed it is given the same bytes and must agree.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::support::{Nginx, Setup};

/// What both sides get, without what differs from moment to moment and from gateway to gateway.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    upstream: Vec<String>,
    client: Vec<String>,
}

struct Case {
    name: &'static str,
    /// What the client sends.
    request: &'static str,
    /// What the upstream answers, one piece for each request.
    answers: &'static [&'static str],
    upstream: &'static [&'static str],
    client: &'static [&'static str],
    /// Whether nginx does the same. Kong itself drops fields that `Connection` names, and a `Trailer` that nobody
    /// asked for; the final response comes through also after informational ones, which nginx takes for it.
    as_nginx: bool,
}

/// Fields of a request whose fate is the proxy's business; others begin with `X-`.
const WATCHED: [&str; 8] =
    ["te", "trailer", "expect", "connection", "keep-alive", "transfer-encoding", "content-length", "upgrade"];

/// An upstream that gives one answer to each request, over as many connections as it gets.
fn upstream(answers: &'static [&'static str]) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answers = answers.iter();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut unread = Vec::new();
            while let Some(request) = message(&mut stream, &mut unread) {
                let _ = sender.send(request);
                let Some(answer) = answers.next() else { break };
                let _ = stream.write_all(answer.as_bytes());
                if answer.contains("close") || !complete(answer) {
                    break;
                }
            }
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    (port, receiver)
}

/// Whether an answer has all that it announced, so that the connection can go on.
fn complete(answer: &str) -> bool {
    !answer.contains("cut off")
}

/// Reads one request, head and body.
fn message(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(unread).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower
                .split_once("content-length: ")
                .map(|(_, after)| after.split("\r\n").next().unwrap_or_default().parse::<usize>().unwrap());
            let end = match length {
                Some(length) => Some(length).filter(|length| rest.len() >= *length),
                None if lower.contains("transfer-encoding: chunked") => {
                    rest.find("0\r\n\r\n").map(|at| at + 5)
                }
                None => Some(0),
            };
            if let Some(end) = end {
                unread.drain(..head.len() + 4 + end);
                return Some(format!("{head}\r\n\r\n{}", &rest[..end]));
            }
        }
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => unread.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}

/// Sends the bytes and reads until the end of the connection.
fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}; so far {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Request lines, watched fields in order of name, and bodies.
fn of_upstream(requests: &Receiver<String>) -> Vec<String> {
    let mut lines = Vec::new();
    for request in requests.try_iter() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut fields: Vec<&str> = head.split("\r\n").collect();
        lines.push(fields.remove(0).to_owned());
        fields.retain(|line| {
            let name = line.split(':').next().unwrap().to_ascii_lowercase();
            let added = ["x-forwarded-", "x-real-ip", "x-kong-"].iter().any(|own| name.starts_with(own));
            WATCHED.contains(&name.as_str()) || name.starts_with("x-") && !added
        });
        fields.sort_unstable();
        lines.extend(fields.iter().map(|line| (*line).to_owned()));
        if !body.is_empty() {
            lines.push(format!("| {body}"));
        }
    }
    lines
}

/// Status lines, fields in order of name, and bodies; errors of the gateway's own are status lines alone.
fn of_client(answer: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = answer;
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let mut fields: Vec<&str> = head.split("\r\n").collect();
        let status = fields.remove(0);
        lines.push(status.to_owned());
        let own_error = head.contains("<html") || status[9..].starts_with(['4', '5']);
        fields.retain(|line| {
            let name = line.split(':').next().unwrap().to_ascii_lowercase();
            !["date", "server", "via"].contains(&name.as_str()) && !name.starts_with("x-kong-")
        });
        fields.sort_unstable();
        if !own_error {
            lines.extend(fields.iter().map(|line| (*line).to_owned()));
        }
        let next = after.find("HTTP/1.").unwrap_or(after.len());
        if next > 0 && !own_error {
            lines.push(format!("| {}", &after[..next]));
        }
        rest = &after[next..];
    }
    lines
}

#[test]
fn bytes_pass_as_they_pass_through_nginx() {
    let (ports, requests): (Vec<_>, Vec<_>) = CASES.iter().map(|case| upstream(case.answers)).unzip();
    let services: String = ports
        .iter()
        .enumerate()
        .map(|(n, port)| {
            format!(
                "- {{ url: 'http://127.0.0.1:{port}', read_timeout: 2000, routes: [{{ hosts: [case-{n}] }}] }}\n"
            )
        })
        .collect();
    let gateway = Setup::declarative(format!("_format_version: '3.0'\nservices:\n{services}")).start();
    let mut wrong = check(gateway.proxy, "the gateway", &requests, |_| true);

    let (ports, requests): (Vec<_>, Vec<_>) = CASES.iter().map(|case| upstream(case.answers)).unzip();
    if let Some(nginx) = Nginx::start(&ports) {
        wrong.extend(check(nginx.port, "nginx", &requests, |case| case.as_nginx));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What the proxy does otherwise than a case says.
fn check(port: u16, who: &str, requests: &[Receiver<String>], asked: fn(&Case) -> bool) -> Vec<String> {
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let asked = CASES.iter().zip(requests).enumerate().filter(|(_, (case, _))| asked(case));
    asked
        .filter_map(|(n, (case, requests))| {
            let host = format!("case-{n}");
            let request = case.request.replace("Host: h\r", &format!("Host: {host}\r"));
            let answer = exchange(port, &request.replace("http://h/", &format!("http://{host}/")));
            let seen = Seen { upstream: of_upstream(requests), client: of_client(&answer) };
            let expected = Seen { upstream: owned(case.upstream), client: owned(case.client) };
            (seen != expected).then(|| format!("{}: {who}: {seen:#?}\nexpected: {expected:#?}", case.name))
        })
        .collect()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const CASES: &[Case] = &[
    Case {
        name: "a chunked request with an extension and a trailer",
        request: "POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                  3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n",
        answers: &[OK],
        upstream: &[
            "POST /a HTTP/1.1",
            "Connection: keep-alive",
            "Content-Length: 5",
            "Trailer: X-Sum",
            "| abcde",
        ],
        client: &["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2", "| ok"],
        as_nginx: true,
    },
    Case {
        name: "TE with trailers, and a response without",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close, TE\r\nTE: gzip;q=0.5, trailers\r\n\r\n",
        answers: &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive", "TE: trailers"],
        client: &[
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Transfer-Encoding: chunked",
            "| 2\r\nok\r\n0\r\n\r\n",
        ],
        as_nginx: true,
    },
    Case {
        name: "TE without trailers",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTE: gzip\r\n\r\n",
        answers: &[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n",
        ],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive"],
        client: &[
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Transfer-Encoding: chunked",
            "| 2\r\nok\r\n0\r\n\r\n",
        ],
        as_nginx: false,
    },
    Case {
        name: "Expect: 100-continue",
        request: "POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        answers: &[OK],
        upstream: &["POST /a HTTP/1.1", "Connection: keep-alive", "Content-Length: 3", "| abc"],
        client: &[
            "HTTP/1.1 100 Continue",
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Content-Length: 2",
            "| ok",
        ],
        as_nginx: true,
    },
    Case {
        name: "Expect: something else",
        request: "POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: soon\r\nContent-Length: 3\r\n\r\nabc",
        answers: &[OK],
        upstream: &["POST /a HTTP/1.1", "Connection: keep-alive", "Content-Length: 3", "| abc"],
        client: &["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2", "| ok"],
        as_nginx: true,
    },
    Case {
        name: "Expect: 100-continue of HTTP/1.0",
        request: "POST /a HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        answers: &[OK],
        upstream: &["POST /a HTTP/1.1", "Connection: keep-alive", "Content-Length: 3", "| abc"],
        client: &["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2", "| ok"],
        as_nginx: true,
    },
    Case {
        name: "HEAD of a response with a length",
        request: "HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"],
        upstream: &["HEAD /a HTTP/1.1", "Connection: keep-alive"],
        client: &["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 5"],
        as_nginx: true,
    },
    Case {
        name: "HEAD of a chunked response",
        request: "HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
        upstream: &["HEAD /a HTTP/1.1", "Connection: keep-alive"],
        client: &["HTTP/1.1 200 OK", "Connection: close"],
        as_nginx: true,
    },
    Case {
        name: "HEAD, then GET on one connection",
        request: "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", OK],
        upstream: &[
            "HEAD /a HTTP/1.1",
            "Connection: keep-alive",
            "GET /b HTTP/1.1",
            "Connection: keep-alive",
        ],
        client: &[
            "HTTP/1.1 200 OK",
            "Connection: keep-alive",
            "Content-Length: 5",
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Content-Length: 2",
            "| ok",
        ],
        as_nginx: true,
    },
    Case {
        name: "204 and 304 have no body",
        request: "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &[
            "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"x\"\r\n\r\n",
            OK,
        ],
        upstream: &[
            "GET /a HTTP/1.1",
            "Connection: keep-alive",
            "GET /b HTTP/1.1",
            "Connection: keep-alive",
            "GET /c HTTP/1.1",
            "Connection: keep-alive",
        ],
        client: &[
            "HTTP/1.1 204 No Content",
            "Connection: keep-alive",
            "X-A: 1",
            "HTTP/1.1 304 Not Modified",
            "Connection: keep-alive",
            "Content-Length: 7",
            "ETag: \"x\"",
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Content-Length: 2",
            "| ok",
        ],
        as_nginx: true,
    },
    Case {
        name: "three requests at once, one with a body",
        request: "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &[
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3",
        ],
        upstream: &[
            "GET /1 HTTP/1.1",
            "Connection: keep-alive",
            "POST /2 HTTP/1.1",
            "Connection: keep-alive",
            "Content-Length: 3",
            "| abc",
            "GET /3 HTTP/1.1",
            "Connection: keep-alive",
        ],
        client: &[
            "HTTP/1.1 200 OK",
            "Connection: keep-alive",
            "Content-Length: 1",
            "| 1",
            "HTTP/1.1 200 OK",
            "Connection: keep-alive",
            "Content-Length: 1",
            "| 2",
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Content-Length: 1",
            "| 3",
        ],
        as_nginx: true,
    },
    Case {
        name: "empty lines before a request, and between two",
        request: "\r\nGET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &[OK, OK],
        upstream: &["GET /1 HTTP/1.1", "Connection: keep-alive", "GET /2 HTTP/1.1", "Connection: keep-alive"],
        client: &[
            "HTTP/1.1 200 OK",
            "Connection: keep-alive",
            "Content-Length: 2",
            "| ok",
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Content-Length: 2",
            "| ok",
        ],
        as_nginx: true,
    },
    Case {
        name: "an HTTP/1.0 client and a chunked response",
        request: "GET /a HTTP/1.0\r\nHost: h\r\n\r\n",
        answers: &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive"],
        client: &["HTTP/1.1 200 OK", "Connection: close", "| ok"],
        as_nginx: true,
    },
    Case {
        name: "an HTTP/1.0 client that keeps its connection",
        request: "GET /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\nHost: h\r\n\r\n",
        answers: &[OK, OK],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive", "GET /b HTTP/1.1", "Connection: keep-alive"],
        client: &[
            "HTTP/1.1 200 OK",
            "Connection: keep-alive",
            "Content-Length: 2",
            "| ok",
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Content-Length: 2",
            "| ok",
        ],
        as_nginx: true,
    },
    Case {
        name: "a response that ends with its connection",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end"],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive"],
        client: &[
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Transfer-Encoding: chunked",
            "| a\r\nto the end\r\n0\r\n\r\n",
        ],
        as_nginx: true,
    },
    Case {
        name: "an HTTP/1.0 response",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &["HTTP/1.0 200 Fine\r\nX-Note: close\r\n\r\nto the end"],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive"],
        client: &[
            "HTTP/1.1 200 Fine",
            "Connection: close",
            "Transfer-Encoding: chunked",
            "X-Note: close",
            "| a\r\nto the end\r\n0\r\n\r\n",
        ],
        as_nginx: true,
    },
    Case {
        name: "a response shorter than its length",
        request: "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        answers: &["HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\ncut off"],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive"],
        client: &["HTTP/1.1 200 OK", "Connection: keep-alive", "Content-Length: 30", "| cut off"],
        as_nginx: true,
    },
    Case {
        name: "a chunked response without its last chunk",
        request: "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        answers: &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ncut off\r\n"],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive"],
        client: &[
            "HTTP/1.1 200 OK",
            "Connection: keep-alive",
            "Transfer-Encoding: chunked",
            "| 7\r\ncut off\r\n",
        ],
        as_nginx: true,
    },
    Case {
        name: "103 before the response",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &[
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive"],
        client: &[
            "HTTP/1.1 103 Early Hints",
            "Link: </x>",
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Content-Length: 2",
            "| ok",
        ],
        as_nginx: false,
    },
    Case {
        name: "TE with trailers, and a response with some",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTE: trailers\r\n\r\n",
        answers: &[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\nContent-Length: 9\r\n\r\n",
        ],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive", "TE: trailers"],
        client: &[
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Trailer: X-Sum",
            "Transfer-Encoding: chunked",
            "| 2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n",
        ],
        as_nginx: false,
    },
    Case {
        name: "100 before the response",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive"],
        client: &["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2", "| ok"],
        as_nginx: false,
    },
    Case {
        name: "GET with a body",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        answers: &[OK],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive", "Content-Length: 3", "| abc"],
        client: &["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2", "| ok"],
        as_nginx: true,
    },
    Case {
        name: "a field named by Connection",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\r\n",
        answers: &[
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Back\r\nX-Back: 1\r\nKeep-Alive: timeout=5\r\n\r\nok",
        ],
        upstream: &["GET /a HTTP/1.1", "Connection: keep-alive"],
        client: &["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2", "| ok"],
        as_nginx: false,
    },
    Case {
        name: "the absolute form",
        request: "GET http://h/a?b=c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        answers: &[OK],
        upstream: &["GET /a?b=c HTTP/1.1", "Connection: keep-alive"],
        client: &["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2", "| ok"],
        as_nginx: true,
    },
    Case {
        name: "what is no request",
        request: "GET /a HTTP/1.1\r\nHost: h\r\nBad Name: 1\r\n\r\n",
        answers: &[OK],
        upstream: &[],
        client: &["HTTP/1.1 400 Bad Request"],
        as_nginx: true,
    },
    Case {
        name: "no Host",
        request: "GET /a HTTP/1.1\r\n\r\n",
        answers: &[OK],
        upstream: &[],
        client: &["HTTP/1.1 400 Bad Request"],
        as_nginx: true,
    },
    Case {
        name: "a length and a coding",
        request: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        answers: &[OK],
        upstream: &[],
        client: &["HTTP/1.1 400 Bad Request"],
        as_nginx: true,
    },
    Case {
        name: "two lengths",
        request: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        answers: &[OK],
        upstream: &[],
        client: &["HTTP/1.1 400 Bad Request"],
        as_nginx: true,
    },
];
