//! What our codec and hyper both take, both read the same: nothing that passes here means something
//! else to a strict peer. We take more than hyper does, as nginx does.

use crate::http::RequestHead;
use crate::proxy::h1::request::{HeadLimits, parse};
use crate::proxy::h1::{Framing, HeadEnd, Incoming, Piece};
use http_body_util::BodyExt;
use hyper::body::Incoming as HyperBody;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;

/// Method, target and body of a message.
type Message = (String, String, Vec<u8>);

/// Our reading; `None` for what is refused or incomplete.
fn ours(input: &[u8]) -> Option<Message> {
    let (mut head, mut host) = (RequestHead::default(), Vec::new());
    let limits = HeadLimits::default();
    let mut at = parse(input, &mut HeadEnd::default(), limits, &mut head, &mut host).ok()??;
    let mut incoming = Incoming::new(Framing::of_request(head.version, &head.fields).ok()?);
    let mut body = Vec::new();
    while !incoming.is_done() {
        match incoming.next(&input[at..]).ok()? {
            Piece::Data { skip, len } => {
                body.extend_from_slice(&input[at + skip..at + skip + len]);
                at += skip + len;
            }
            Piece::More => return None,
            Piece::End { .. } => break,
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((text(head.method.as_bytes()), text(&head.target), body))
}

/// Hyper's reading of the first message; `None` for what it refuses or finds incomplete.
fn hypers(input: &[u8]) -> Option<Message> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen: Rc<RefCell<Vec<Message>>> = Rc::default();
    let record = seen.clone();
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        far.write_all(input).await.unwrap();
        far.shutdown().await.unwrap();
        let service = service_fn(move |request: Request<HyperBody>| {
            let record = record.clone();
            async move {
                let (parts, body) = request.into_parts();
                if let Ok(body) = body.collect().await {
                    let target = parts.uri.path_and_query().map_or("/", |t| t.as_str()).to_owned();
                    let message = (parts.method.to_string(), target, body.to_bytes().to_vec());
                    record.borrow_mut().push(message);
                }
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        });
        let mut http1 = hyper::server::conn::http1::Builder::new();
        let serving = http1.half_close(true).serve_connection(TokioIo::new(near), service);
        let _ = serving.await;
    });
    let seen = seen.borrow();
    seen.first().cloned()
}

/// Pieces of requests, good and bad, put together at random.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "GET /a?b HTTP/1.1",
        "POST / HTTP/1.1",
        "PUT /x HTTP/1.0",
        "GET http://h/p HTTP/1.1",
        "GET / HTTP/1.2",
        "GET /\u{e9} HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET  / HTTP/1.1",
    ]);
    let field = prop::sample::select(vec![
        "Host: a",
        "Host: b",
        "Content-Length: 3",
        "Content-Length: 03",
        "Content-Length: +3",
        "Content-Length: 3, 3",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\n x",
        "transfer-encoding:\tchunked",
        "Transfer-Encoding: identity",
        "X: y",
        "X\0: y",
        ": y",
        "X",
        "Content_Length: 5",
        "Connection: close",
    ]);
    let end = prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n"]);
    let body = prop::sample::select(vec![
        "",
        "abc",
        "3\r\nabc\r\n0\r\n\r\n",
        "3;x\r\nabc\r\n0\r\nT: u\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "0\r\n\r\nGET /s HTTP/1.1\r\nHost: a\r\n\r\n",
    ]);
    (line, prop::collection::vec((field, end.clone()), 0..5), end, body).prop_map(
        |(line, fields, end, body)| {
            let mut text = format!("{line}\r\nHost: a{end}");
            for (field, end) in fields {
                text.push_str(field);
                text.push_str(end);
            }
            text.push_str("\r\n");
            text.push_str(body);
            text.into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn a_request_that_both_take_is_the_same_request_to_hyper(input in request()) {
        if let (Some(ours), Some(hypers)) = (ours(&input), hypers(&input)) {
            prop_assert_eq!(ours, hypers, "{}", String::from_utf8_lossy(&input));
        }
    }

    #[test]
    fn no_bytes_at_all_make_the_codec_panic(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = ours(&input);
        let mut head = crate::http::ResponseHead::default();
        let _ = crate::proxy::h1::response::parse(&input, 4096, &mut HeadEnd::default(), &mut head);
    }
}
