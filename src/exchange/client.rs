//! The client's side of an exchange.

use super::RawLink;
use crate::http::Scheme;
use std::cell::{Cell, OnceCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};

/// An address with its text, since headers and logs ask for it on every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// IP address and port; `None` for a unix socket.
    pub socket: Option<SocketAddr>,
    /// The IP address without its port, or `unix:`.
    pub text: Box<str>,
}

impl Address {
    /// An IP address and port.
    pub fn inet(socket: SocketAddr) -> Address {
        Address { socket: Some(socket), text: socket.ip().to_canonical().to_string().into() }
    }

    /// A peer on a unix socket.
    pub fn unix() -> Address {
        Address { socket: None, text: "unix:".into() }
    }

    /// The IP address; 127.0.0.1 for a unix socket.
    pub fn ip(&self) -> IpAddr {
        self.socket.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |s| s.ip().to_canonical())
    }

    /// The port; zero for a unix socket.
    pub fn port(&self) -> u16 {
        self.socket.map_or(0, |s| s.port())
    }
}

/// Facts of a client's connection, shared by all its requests.
#[derive(Debug)]
pub struct Client {
    /// The connection's number in this worker process: the `*N` of the error log.
    pub serial: u64,
    /// Who connected.
    pub peer: Address,
    /// The local end: where the connection was accepted.
    pub local: Address,
    /// The local port as clients know it, after `port_maps`; zero for a unix socket.
    pub public_port: u16,
    /// `https` behind TLS.
    pub scheme: Scheme,
    /// What the TLS handshake agreed on.
    pub tls: Option<Tls>,
    /// Source and destination that a PROXY protocol header named.
    pub proxy_protocol: Option<(Address, Address)>,
    /// The connection itself, where code may take it over: HTTP/1.
    ///
    /// *Invariant*: weak, since exchanges kept for later hold on to the client, and the connection ends before.
    pub raw: OnceCell<Weak<dyn RawLink>>,
    /// Requests that this connection has carried so far, this one included.
    pub requests: Cell<u64>,
}

impl Client {
    /// The connection, while it is there, where code may take it over.
    pub fn raw(&self) -> Option<Rc<dyn RawLink>> {
        self.raw.get()?.upgrade()
    }
}

/// What a TLS handshake agreed on.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// The server name asked for, in lower case.
    pub sni: Option<Box<str>>,
    /// The version as OpenSSL spells it: `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite as OpenSSL spells it: `TLS_AES_256_GCM_SHA384`, `ECDHE-RSA-AES128-GCM-SHA256`.
    pub cipher: &'static str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The client's certificate chain in DER, leaf first; empty when none was sent.
    pub client_certificates: Vec<Vec<u8>>,
    /// What verifying that chain gave, in nginx's words: `NONE`, `SUCCESS`, `FAILED:reason`.
    pub client_verify: Box<str>,
    /// Whether the client asked for the status of the certificate, as far as known before the handshake.
    pub asks_for_status: bool,
}
