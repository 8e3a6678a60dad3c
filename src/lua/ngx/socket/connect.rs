//! `connect` of TCP sockets.

use super::connection::Connection;
use super::pool::{Bounds, Found};
use super::stream::Stream;
use super::tcp::this;
use super::{pool, within};
use crate::dns::{Resolver, Unresolved};
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::task::Resume;
use std::cell::RefCell;
use std::ffi::c_int;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, UnixStream};

/// Where to connect to.
enum Peer {
    Inet(String, u16),
    Unix(String),
}

/// What `connect` was asked for.
struct Wanted {
    peer: Peer,
    options: Options,
    pool: String,
}

/// `connect(host, port, options?)` or `connect("unix:path", options?)`.
pub(super) fn connect(frame: &Frame) -> Answer {
    start(frame, false)
}

/// As [`connect`], answering the socket, which is the first argument.
pub(super) fn connect_and_answer_socket(frame: &Frame) -> Answer {
    start(frame, true)
}

fn start(frame: &Frame, answers_socket: bool) -> Answer {
    let socket = this(frame)?;
    let wanted = match read_arguments(frame)? {
        Ok(wanted) => wanted,
        Err(message) => return frame.fail(message),
    };
    // Connecting again leaves the former connection behind.
    drop(socket.take());
    socket.hold();
    let found = match pool::find(&wanted.pool, wanted.options.bounds()) {
        Found::Idle(connection) => {
            socket.0.slot.replace(Some(*connection));
            if answers_socket {
                frame.push_value(1)
            } else {
                frame.push_integer(1)
            }
            return Ok(1);
        }
        Found::Refused => return frame.fail("too many waiting connect operations"),
        found => found,
    };
    let kept = if answers_socket { Some(keep(frame)?) } else { None };
    frame.wait(async move {
        let limit = socket.0.timeouts.get().connect;
        let result = open(limit, socket.0.bound.get(), wanted, found).await;
        Box::new(move |frame: &Frame| match result {
            Err(message) => frame.fail(message),
            Ok(connection) => {
                socket.0.slot.replace(Some(connection));
                match kept {
                    Some(kept) => kept.push(frame),
                    None => frame.push_integer(1),
                }
                Ok(1)
            }
        }) as Resume
    })
}

fn keep(frame: &Frame) -> Result<crate::lua::Reference, Flow> {
    frame.push_value(1);
    Ok(crate::lua::Vm::current()?.reference_to_top(frame))
}

fn read_arguments(frame: &Frame) -> Result<Result<Wanted, String>, Flow> {
    let host = frame.text(2)?.into_owned();
    if let Some(path) = host.strip_prefix("unix:") {
        let mut options = options(frame, 3)?;
        let peer = Peer::Unix(path.to_owned());
        return Ok(Ok(Wanted { pool: options.pool.take().unwrap_or(host), peer, options }));
    }
    if frame.kind(3) == Kind::None {
        return Ok(Err("missing the port number".into()));
    }
    let port = frame.number(3)?;
    if !(0.0..=65_535.0).contains(&port) {
        return Ok(Err(format!("bad port number: {port}")));
    }
    let port = port as u16;
    let mut options = options(frame, 4)?;
    let pool = options.pool.take().unwrap_or_else(|| format!("{host}:{port}"));
    Ok(Ok(Wanted { peer: Peer::Inet(host, port), pool, options }))
}

/// What `connect` was told about its pool.
#[derive(Default)]
struct Options {
    pool: Option<String>,
    size: Option<usize>,
    backlog: Option<usize>,
}

impl Options {
    /// A pool bounds how many connections are open only where calls may wait for one.
    fn bounds(&self) -> Option<Bounds> {
        let size = self.size.unwrap_or(pool::DEFAULT_SIZE);
        self.backlog.map(|backlog| Bounds { size, backlog })
    }
}

fn options(frame: &Frame, at: c_int) -> Result<Options, Flow> {
    if frame.kind(at) != Kind::Table {
        return Ok(Options::default());
    }
    frame.push_field(at, "pool");
    let pool = match frame.kind(-1) {
        Kind::Nil => None,
        Kind::String | Kind::Number => Some(frame.text(-1)?.into_owned()),
        _ => {
            let kind = frame.kind_name(-1);
            let text = format!("bad \"pool\" option type: {kind}");
            return Err(Flow::Argument(at, text));
        }
    };
    frame.pop(1);
    let size = count(frame, at, "pool_size", 1.0)?;
    let backlog = count(frame, at, "backlog", 0.0)?;
    Ok(Options { pool, size, backlog })
}

/// An option that is a number of at least `least`.
fn count(frame: &Frame, at: c_int, name: &str, least: f64) -> Result<Option<usize>, Flow> {
    frame.push_field(at, name);
    let (kind, kind_name) = (frame.kind(-1), frame.kind_name(-1));
    if !matches!(kind, Kind::Nil | Kind::Number) {
        return Err(Flow::Argument(at, format!("bad \"{name}\" option type: {kind_name}")));
    }
    let count = frame.optional_number(-1)?;
    frame.pop(1);
    match count {
        Some(count) if count < least => {
            Err(Flow::Argument(at, format!("bad \"{name}\" option value: {count}")))
        }
        count => Ok(count.map(|count| count as usize)),
    }
}

/// Opens the connection, or waits until its pool has one to give or leave for one.
async fn open(
    limit: Duration,
    bound: Option<SocketAddr>,
    wanted: Wanted,
    mut found: Found,
) -> Result<Connection, String> {
    let Wanted { peer, pool, options } = wanted;
    let until = tokio::time::Instant::now() + limit;
    let place = loop {
        match found {
            Found::Idle(connection) => return Ok(*connection),
            Found::Place(place) => break place,
            Found::Refused => return Err("too many waiting connect operations".into()),
            Found::Wait(answer) => {
                let waited = tokio::time::timeout_at(until, answer).await;
                waited.map_err(|_| "timeout")?.map_err(|_| "closed")?;
                found = pool::find(&pool, options.bounds());
            }
        }
    };
    let stream = match peer {
        Peer::Unix(path) => within(limit, UnixStream::connect(path)).await.map(Stream::Unix),
        Peer::Inet(host, port) => inet(limit, bound, &host, port).await,
    }?;
    let mut connection = Connection::new(stream, pool, options.size);
    connection.place = place;
    Ok(connection)
}

/// Connects to the addresses of a name, one after the other.
async fn inet(limit: Duration, bound: Option<SocketAddr>, host: &str, port: u16) -> Result<Stream, String> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let addresses = match host.parse::<std::net::IpAddr>() {
        Ok(ip) => vec![(ip, port).into()],
        Err(_) => resolve(host, port).await?,
    };
    let work = async {
        let mut last = io::Error::from(io::ErrorKind::NotConnected);
        for address in addresses {
            match from(bound, address).await {
                Ok(stream) => {
                    // Lua code writes whole messages; waiting to join them would only delay them.
                    stream.set_nodelay(true)?;
                    return Ok(Stream::Tcp(stream));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    within(limit, work).await
}

/// Connects to an address, from one of the machine's own where that is told.
async fn from(bound: Option<SocketAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let Some(bound) = bound else { return TcpStream::connect(to).await };
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(bound)?;
    socket.connect(to).await
}

thread_local! {
    static RESOLVER: RefCell<Option<Resolver>> = const { RefCell::new(None) };
}

/// Has this thread's sockets ask a resolver; without one they ask the system.
pub(in crate::lua) fn use_resolver(resolver: Option<Resolver>) {
    RESOLVER.set(resolver);
}

/// Addresses of a host name.
///
/// *Kong parity*: in a node sockets ask Kong's resolver, and the port of an SRV record counts.
///
/// # Errors
/// Kong's words for a name that its resolver does not know, else nginx's.
pub(super) async fn resolve(host: &str, port: u16) -> Result<Vec<std::net::SocketAddr>, String> {
    if let Some(resolver) = RESOLVER.with_borrow(Clone::clone) {
        return match resolver.to_ip(host, port, false).await {
            Ok(address) => Ok(vec![(address.ip, address.port).into()]),
            Err(Unresolved { error, tries }) => {
                Err(format!("[cosocket] DNS resolution failed: {error}. Tried: {tries}"))
            }
        };
    }
    let unknown = || format!("{host} could not be resolved (3: Host not found)");
    let addresses: Vec<_> = match tokio::net::lookup_host((host, port)).await {
        Ok(addresses) => addresses.collect(),
        Err(_) => return Err(unknown()),
    };
    if addresses.is_empty() { Err(unknown()) } else { Ok(addresses) }
}
