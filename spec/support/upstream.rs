//! Upstreams: one that answers with what it received, and one that is scripted byte by byte.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

/// An HTTP/1.1 upstream on a port of its own, on hyper.
///
/// It answers 200 with a JSON document of the request: `method`, `uri`, `headers` (name, lower case,
/// to list of values) and `body`. `/status/N` answers with that status, `/delay/MS` after a while,
/// `/bytes/N` with that many bytes.
pub struct Upstream {
    /// Its port.
    pub port: u16,
}

impl Upstream {
    /// Starts it; it lives as long as the test process.
    pub fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener));
        });
        Upstream { port }
    }

    /// Its address as a service's `url`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn serve(listener: TcpListener) {
    listener.set_nonblocking(true).expect("non-blocking");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(answer)),
                );
            }
        })
        .await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_string();
    let number = |prefix: &str| path.strip_prefix(prefix).and_then(|n| n.parse::<u64>().ok());
    if let Some(ms) = number("/delay/") {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    if let Some(count) = number("/bytes/") {
        return Ok(Response::new(Full::from(vec![b'x'; count as usize])));
    }
    let status = number("/status/").unwrap_or(200) as u16;
    let document = describe(request).await;
    Ok(Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::from(document.to_string()))
        .expect("a response"))
}

async fn describe(request: Request<Incoming>) -> Value {
    let mut headers = serde_json::Map::new();
    for (name, value) in request.headers() {
        let list = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        list.as_array_mut().expect("a list").push(json!(String::from_utf8_lossy(value.as_bytes())));
    }
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    json!({ "method": method, "uri": uri, "headers": headers, "body": String::from_utf8_lossy(&body) })
}

/// An upstream that reads a request head and then writes exactly `answer`, then closes; for every
/// connection it gets.
pub fn spawn_raw(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut seen = Vec::new();
            let mut piece = [0; 4096];
            while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(count) if count > 0 => seen.extend_from_slice(&piece[..count]),
                    _ => break,
                }
            }
            // The gateway may have gone away by now: that is what some specs are about.
            let _ = stream.write_all(answer);
        }
    });
    port
}
