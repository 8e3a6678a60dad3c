//! `ngx.socket.udp()`: datagrams to one peer.

use super::tcp::timeout;
use super::{Timeouts, connect, within};
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::object::{self, Object};
use crate::lua::task::Resume;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use tokio::net::{UdpSocket, UnixDatagram};

/// The longest datagram that is received.
const LONGEST: usize = 65_536;

#[derive(Clone, Default)]
struct Udp(Rc<Inner>);

#[derive(Default)]
struct Inner {
    peer: RefCell<Option<Rc<Datagrams>>>,
    timeout: Cell<Timeouts>,
}

enum Datagrams {
    Inet(UdpSocket),
    Unix(UnixDatagram),
}

impl Object for Udp {
    const NAME: &'static CStr = c"udp socket";

    fn methods(frame: &Frame, table: c_int) {
        frame.set_function(table, "setpeername", set_peer_name);
        frame.set_function(table, "send", send);
        frame.set_function(table, "receive", receive);
        frame.set_function(table, "settimeout", |frame| {
            let limit = timeout(frame, 2)?;
            let timeouts = Timeouts { connect: limit, send: limit, read: limit };
            object::at::<Udp>(frame, 1)?.0.timeout.set(timeouts);
            Ok(0)
        });
        frame.set_function(table, "close", |frame| {
            match object::at::<Udp>(frame, 1)?.0.peer.take() {
                Some(_) => frame.push_integer(1),
                None => return frame.fail("closed"),
            }
            Ok(1)
        });
    }
}

/// Pushes a new socket.
pub(super) fn push(frame: &Frame) {
    object::push_wrapped(frame, Udp::default());
}

/// `setpeername(host, port)` or `setpeername("unix:path")`.
fn set_peer_name(frame: &Frame) -> Answer {
    let socket = object::at::<Udp>(frame, 1)?.clone();
    let host = frame.text(2)?.into_owned();
    let port = if host.starts_with("unix:") { 0.0 } else { frame.number(3)? };
    if !(0.0..=65_535.0).contains(&port) {
        return frame.fail(format!("bad port number: {port}"));
    }
    frame.wait(async move {
        let limit = socket.0.timeout.get().connect;
        let result = match host.strip_prefix("unix:") {
            Some(path) => within(limit, async { unix(path) }).await,
            None => inet(limit, &host, port as u16).await,
        };
        Box::new(move |frame: &Frame| match result {
            Err(message) => frame.fail(message),
            Ok(peer) => {
                socket.0.peer.replace(Some(Rc::new(peer)));
                frame.push_integer(1);
                Ok(1)
            }
        }) as Resume
    })
}

fn unix(path: &str) -> io::Result<Datagrams> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(Datagrams::Unix(socket))
}

async fn inet(limit: std::time::Duration, host: &str, port: u16) -> Result<Datagrams, String> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![(ip, port).into()],
        Err(_) => connect::resolve(host, port).await?,
    };
    let address = addresses.first().copied().ok_or("no address")?;
    within(limit, async {
        let any: IpAddr = match address {
            std::net::SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            std::net::SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(address).await?;
        Ok(Datagrams::Inet(socket))
    })
    .await
}

/// `send(data)`: one datagram of a string or a list of them.
fn send(frame: &Frame) -> Answer {
    let socket = object::at::<Udp>(frame, 1)?.clone();
    let mut data = Vec::new();
    if frame.top() != 2 {
        let text = format!("expecting 2 arguments (including the object), but got {}", frame.top());
        return Err(Flow::raise(text));
    }
    super::tcp::gather(frame, 2, &mut data)?;
    let Some(peer) = socket.0.peer.borrow().clone() else { return frame.fail("closed") };
    let limit = socket.0.timeout.get().send;
    frame.wait(async move {
        let sent = within(limit, async {
            match &*peer {
                Datagrams::Inet(socket) => socket.send(&data).await,
                Datagrams::Unix(socket) => socket.send(&data).await,
            }
        })
        .await;
        Box::new(move |frame: &Frame| match sent {
            Ok(_) => {
                frame.push_integer(1);
                Ok(1)
            }
            Err(message) => frame.fail(message),
        }) as Resume
    })
}

/// `receive(most?)`: one datagram.
fn receive(frame: &Frame) -> Answer {
    let socket = object::at::<Udp>(frame, 1)?.clone();
    let most = frame.optional_number(2)?.map_or(LONGEST, |most| (most.max(0.0) as usize).min(LONGEST));
    let Some(peer) = socket.0.peer.borrow().clone() else { return frame.fail("closed") };
    let limit = socket.0.timeout.get().read;
    frame.wait(async move {
        let mut data = vec![0; most];
        let got = within(limit, async {
            match &*peer {
                Datagrams::Inet(socket) => socket.recv(&mut data).await,
                Datagrams::Unix(socket) => socket.recv(&mut data).await,
            }
        })
        .await;
        Box::new(move |frame: &Frame| match got {
            Ok(length) => {
                frame.push_bytes(data.get(..length).unwrap_or_default());
                Ok(1)
            }
            Err(message) => frame.fail(message),
        }) as Resume
    })
}
