//! Accepting connections until the order to drain, and then those that already wait.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::{Address, Inherited, Order, Socket};
use crate::observability::log;

/// How long nothing is accepted when descriptors or memory ran out, as in nginx.
const EXHAUSTED: Duration = Duration::from_millis(500);

/// One inherited socket, accepted from by one thread.
pub struct Acceptor {
    address: Address,
    listener: Listener,
    orders: watch::Receiver<Order>,
    open: Option<Open>,
}

/// Counts an acceptor in [`OPEN`].
struct Open;

/// How long waiting connections are taken at most: under load their row might not end.
const DRAINING: Duration = Duration::from_millis(500);

/// How many acceptors of this process may still return a connection.
static OPEN: AtomicUsize = AtomicUsize::new(0);
static LAST_CLOSED: Notify = Notify::const_new();

/// A connection that was accepted.
#[derive(Debug)]
pub enum Accepted {
    /// Over IP, with the peer's address.
    Tcp(TcpStream, SocketAddr),
    /// Through a socket file.
    Unix(UnixStream),
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
    Draining(Socket, Instant),
    Closed,
}

impl Listener {
    fn is_open(&self) -> bool {
        matches!(self, Listener::Tcp(_) | Listener::Unix(_))
    }
}

impl Acceptor {
    /// Begins to accept; only after [`super::Ready::announce`] returned `true`.
    ///
    /// # Errors
    /// The socket cannot be registered with this thread's runtime.
    pub fn new(inherited: Inherited, orders: watch::Receiver<Order>) -> io::Result<Acceptor> {
        let listener = match inherited.socket {
            Socket::Tcp(socket) => Listener::Tcp(TcpListener::from_std(socket)?),
            Socket::Unix(socket) => Listener::Unix(UnixListener::from_std(socket)?),
        };
        OPEN.fetch_add(1, Ordering::Relaxed);
        Ok(Acceptor { address: inherited.address, listener, orders, open: Some(Open) })
    }

    /// The listener that is accepted from.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The next connection; `None` when there will be no more.
    ///
    /// After the order to drain it returns what waits in the socket, without waiting itself, then closes it. That
    /// matters for a listener that the new configuration does not have: nobody else would take those.
    ///
    /// *Cancel safety*: no connection is lost when the future is dropped.
    pub async fn accept(&mut self) -> Option<Accepted> {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.orders.wait_for(|order| *order != Order::Serve), if self.listener.is_open() => None,
                accepted = accept(&self.listener) => Some(accepted),
            };
            match accepted {
                None => self.drain(),
                Some(Ok(accepted)) => return Some(accepted),
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.listener = Listener::Closed;
                    self.open = None;
                    return None;
                }
                Some(Err(error)) => self.survive(&error).await,
            }
        }
    }

    /// Takes the socket out of the runtime: tokio would not try a system call before its next look at epoll, and
    /// a connection that came a moment ago would not be seen.
    fn drain(&mut self) {
        let socket = match std::mem::replace(&mut self.listener, Listener::Closed) {
            Listener::Tcp(listener) => listener.into_std().map(Socket::Tcp),
            Listener::Unix(listener) => listener.into_std().map(Socket::Unix),
            Listener::Draining(socket, _) => Ok(socket),
            Listener::Closed => return,
        };
        if let Ok(socket) = socket {
            self.listener = Listener::Draining(socket, Instant::now() + DRAINING);
        }
    }

    async fn survive(&mut self, error: &io::Error) {
        match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                log::crit!("accept4() on {} failed ({error})", self.address);
                tokio::time::sleep(EXHAUSTED).await;
            }
            // the peer gave up, or the network under it did: the next one is waiting
            Some(libc::ECONNABORTED | libc::EPROTO | libc::EINTR) => {}
            Some(
                libc::ENETDOWN | libc::EHOSTDOWN | libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENONET,
            ) => {}
            _ => {
                log::alert!("accept4() on {} failed ({error})", self.address);
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if OPEN.fetch_sub(1, Ordering::Relaxed) == 1 {
            LAST_CLOSED.notify_one();
        }
    }
}

/// Waits until no acceptor of this process returns connections any more.
pub(super) async fn all_closed() {
    while OPEN.load(Ordering::Relaxed) > 0 {
        LAST_CLOSED.notified().await;
    }
}

async fn accept(listener: &Listener) -> io::Result<Accepted> {
    match listener {
        Listener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Accepted::Tcp(stream, peer)),
        Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        Listener::Draining(socket, until) if Instant::now() < *until => accept_waiting(socket),
        Listener::Draining(..) | Listener::Closed => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn accept_waiting(socket: &Socket) -> io::Result<Accepted> {
    match socket {
        Socket::Tcp(listener) => {
            let (stream, peer) = listener.accept()?;
            stream.set_nonblocking(true)?;
            Ok(Accepted::Tcp(TcpStream::from_std(stream)?, peer))
        }
        Socket::Unix(listener) => {
            let (stream, _) = StdUnixListener::accept(listener)?;
            stream.set_nonblocking(true)?;
            Ok(Accepted::Unix(UnixStream::from_std(stream)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> (Inherited, SocketAddr) {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        (Inherited { address: Address::Tcp(address), socket: Socket::Tcp(socket) }, address)
    }

    #[tokio::test]
    async fn what_waits_when_draining_begins_is_still_accepted() {
        let (inherited, address) = listening();
        let (orders, receiver) = watch::channel(Order::Serve);
        let mut acceptor = Acceptor::new(inherited, receiver).unwrap();
        let clients: Vec<_> = (0..5).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        orders.send(Order::Drain).unwrap();
        let mut accepted = 0;
        while acceptor.accept().await.is_some() {
            accepted += 1;
        }
        assert_eq!(accepted, clients.len());
        assert!(std::net::TcpStream::connect(address).is_err());
    }

    #[tokio::test]
    async fn an_order_wakes_an_acceptor_that_waits() {
        let (inherited, _) = listening();
        let (orders, receiver) = watch::channel(Order::Serve);
        let mut acceptor = Acceptor::new(inherited, receiver).unwrap();
        let waiting = tokio::spawn(async move { acceptor.accept().await.is_none() });
        tokio::task::yield_now().await;
        orders.send(Order::Stop).unwrap();
        assert!(waiting.await.unwrap());
    }
}
