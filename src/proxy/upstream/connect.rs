//! New connections to peers.

use super::{Connection, PoolKey, UpstreamTls};
use crate::proxy::{Plain, ProxyError, Stream, deadline};
use crate::tls::Distrust;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error as TlsError};
use std::io;
use tokio::net::TcpStream;

/// Opens a connection to a peer within `timeout` milliseconds, the TLS handshake included.
///
/// *Kong parity*: nginx gives the handshake its own turn of the timeout; so do we.
pub async fn connect(key: PoolKey, tls: &UpstreamTls, timeout: u32) -> Result<Connection, ProxyError> {
    let tcp = deadline::within(u64::from(timeout), TcpStream::connect(key.address))
        .await
        .ok_or(ProxyError::ConnectTimeout)?
        .map_err(ProxyError::Connect)?;
    // Losing Nagle's delay is a matter of speed only.
    let _ = tcp.set_nodelay(true);
    let Some(session) = key.tls.clone() else {
        return Ok(Connection::new(Stream::Plain(Plain::Tcp(tcp)), key));
    };
    let (connector, name) = tls.connector(&session, key.address.ip())?;
    let stream = deadline::within(u64::from(timeout), connector.connect(name.clone(), Plain::Tcp(tcp)))
        .await
        .ok_or(ProxyError::HandshakeTimeout)?
        .map_err(|error| failure(&error, &name))?;
    Ok(Connection::new(Stream::Tls(Box::new(stream.into())), key))
}

/// Why a handshake with a peer of this name failed.
fn failure(error: &io::Error, name: &ServerName<'_>) -> ProxyError {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    let inner = error.get_ref().and_then(|error| error.downcast_ref());
    if let Some(distrust) = inner.and_then(Distrust::of) {
        return ProxyError::CertificateDistrusted(distrust.to_string());
    }
    match inner {
        Some(TlsError::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
            ProxyError::CertificateName(name.to_str().into_owned())
        }
        _ => ProxyError::Tls(error.to_string()),
    }
}
