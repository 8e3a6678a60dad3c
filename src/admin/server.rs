//! Sockets: connections of an API's listeners, HTTP/1.1 and HTTP/2, in the clear or behind TLS.

use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{Method, Request, Response, Version, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::access_log::{Answered, Client, Entry};
use super::api::Api;
use super::call::Call;
use super::refusal;
use super::reply::Reply;
use super::wire::{self, Envelope, Payload};
use crate::observability::{Level, log};

/// How long a connection may wait for a request, as long as nginx waits by default.
const IDLE: Duration = Duration::from_secs(75);

/// An open socket of an API.
pub struct Listener {
    /// The socket.
    pub socket: Socket,
    /// How TLS is spoken on it, if it is.
    pub tls: Option<TlsAcceptor>,
}

/// A socket that listens.
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix domain socket.
    Unix(UnixListener),
}

/// How long a client may take for its TLS handshake: nginx's `client_header_timeout`.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// Serves an API on its listeners until it is dropped.
///
/// Must run inside a [`tokio::task::LocalSet`]: connections are tasks of the control thread.
///
/// *Cancel safety*: dropping it closes the listeners; connections go on until they end.
pub async fn serve(listeners: Vec<Listener>, api: Rc<Api>) {
    let accepting = listeners.into_iter().map(|listener| {
        let api = Rc::clone(&api);
        tokio::task::spawn_local(async move { accept(listener, api).await })
    });
    let tasks = Tasks(accepting.collect());
    std::future::pending::<()>().await;
    drop(tasks);
}

/// The accepting tasks, which end with the one that serves.
struct Tasks(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn accept(listener: Listener, api: Rc<Api>) {
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    loop {
        let accepted = match &listener.socket {
            Socket::Tcp(socket) => socket.accept().await.map(|(stream, peer)| {
                let _ = stream.set_nodelay(true);
                let client = Client { address: peer.ip().to_string(), port: peer.port(), scheme };
                start(stream, client, listener.tls.clone(), Rc::clone(&api));
            }),
            Socket::Unix(socket) => socket.accept().await.map(|(stream, _)| {
                let client = Client { address: "unix:".to_owned(), port: 0, scheme };
                start(stream, client, listener.tls.clone(), Rc::clone(&api));
            }),
        };
        if let Err(error) = accepted {
            log::write(Level::Alert, format_args!("accept() failed: {error}"));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

fn start<S>(stream: S, client: Client, tls: Option<TlsAcceptor>, api: Rc<Api>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    tokio::task::spawn_local(async move {
        match tls {
            None => connection(stream, client, api).await,
            Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => connection(stream, client, api).await,
                Ok(Err(error)) => log::info!(&api.logs.about(&client) => "TLS handshake failed: {error}"),
                Err(_) => log::info!(&api.logs.about(&client) => "client timed out while SSL handshaking"),
            },
        }
    });
}

async fn connection<S>(stream: S, client: Client, api: Rc<Api>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(|request| {
        let (api, client) = (Rc::clone(&api), client.clone());
        async move { Ok::<_, Infallible>(respond(&api, client, request).await) }
    });
    let mut builder = auto::Builder::new(LocalExecutor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .keep_alive(true)
        .title_case_headers(true);
    builder.http2().timer(TokioTimer::new());
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        log::info!(&api.logs.about(&client) => "connection to the API ended: {error}");
    }
}

/// Runs HTTP/2 streams on the control thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            let _ = future.await;
        });
    }
}

async fn respond(api: &Api, client: Client, request: Request<Incoming>) -> Response<Payload> {
    let entry = Entry {
        client,
        method: request.method().clone(),
        uri: request.uri().clone(),
        version: request.version(),
        headers: request.headers().clone(),
        begin: Instant::now(),
    };
    let response = answered(api, request, &entry).await;
    let answered = Answered {
        status: response.status().as_u16(),
        headers: response.headers(),
        body: response.body().len(),
    };
    api.logs.write(&entry, &answered);
    response
}

async fn answered(api: &Api, request: Request<Incoming>, entry: &Entry) -> Response<Payload> {
    let is_head = request.method() == Method::HEAD;
    let closes = Envelope { stays_open: told(entry, false), is_head, ..Envelope::default() };
    if let Some(refused) = refusal::of(&request) {
        return wire::response(refused, &closes);
    }
    let stays_open = told(entry, true);
    if request.uri().path() == "/robots.txt" {
        let robots = Reply::text("text/plain; charset=UTF-8", "User-agent: *\nDisallow: /");
        return wire::response(robots, &Envelope { stays_open, ..closes });
    }
    let identity = api.node().identity();
    let (reply, stays_open) = match read(request, identity.max_body).await {
        Ok(call) => (api.answer(&call).await, stays_open),
        Err(refusal) => (refusal, closes.stays_open),
    };
    let latency = identity.latency_header.then(|| entry.begin.elapsed().as_millis() as u64);
    let envelope = Envelope {
        stays_open,
        latency,
        is_server_named: identity.server_header,
        has_chunks: entry.version == Version::HTTP_11,
        is_head,
    };
    wire::response(reply, &envelope)
}

/// Whether the client is told that its connection stays open; nginx tells it each time, HTTP/2 never.
fn told(entry: &Entry, may_stay: bool) -> Option<bool> {
    let connection = entry.headers.get_all(header::CONNECTION).iter();
    let mut options = connection.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut wants = |wanted: &str| options.any(|option| option.trim().eq_ignore_ascii_case(wanted));
    match entry.version {
        Version::HTTP_11 => Some(may_stay && !wants("close")),
        Version::HTTP_10 => Some(may_stay && wants("keep-alive")),
        _ => None,
    }
}

async fn read(request: Request<Incoming>, max_body: usize) -> Result<Call, Reply> {
    let (head, body) = request.into_parts();
    let limit = if max_body == 0 { usize::MAX } else { max_body };
    if body.size_hint().lower() > limit as u64 {
        return Err(Reply::empty(413));
    }
    let body = match Limited::new(body, limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Reply::empty(413));
        }
        Err(_) => return Err(Reply::empty(400)),
    };
    Ok(Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    })
}
