//! What can go wrong with a request, and what follows from it.

use crate::exchange::BodyError;
use crate::observability::system_error;
use std::io;

/// Where an error arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The client, or the connection to it.
    Client,
    /// The upstream, or the connection to it.
    Upstream,
    /// The gateway itself.
    Gateway,
}

/// Why a request could not be served as asked.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The request breaks the protocol: 400.
    #[error("client sent invalid request: {0}")]
    BadRequest(&'static str),
    /// The request line exceeds a buffer of `large_client_header_buffers`: 414.
    #[error("client sent too long URI")]
    UriTooLong,
    /// A field line exceeds such a buffer, or all together exceed all of them: 494.
    #[error("client sent too large request")]
    HeadTooLarge,
    /// CONNECT and TRACE are not served: 405.
    #[error("client sent {0} method")]
    MethodNotAllowed(&'static str),
    /// A major version other than 1 in HTTP/1 framing: 505.
    #[error("client sent unsupported protocol version")]
    UnsupportedVersion,
    /// A transfer coding other than `chunked`: 501.
    #[error("client sent unknown Transfer-Encoding")]
    UnknownCoding,
    /// HTTP without TLS where TLS is spoken: 497, which the client sees as a 400 of its own words.
    #[error("client sent plain HTTP request to HTTPS port")]
    PlainToTls,
    /// The head was not complete within `client_header_timeout`: 408.
    #[error("client timed out")]
    HeadTimeout,
    /// The request body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The client went away: 499.
    #[error("client closed connection")]
    ClientGone,
    /// The client took nothing for `send_timeout`.
    #[error("client timed out while sending to client")]
    SendTimeout,
    /// The peer could not be reached: 502.
    #[error("connect() failed ({}) while connecting to upstream", system_error(.0))]
    Connect(#[source] io::Error),
    /// The peer did not answer the connection attempt in time: 504.
    #[error("upstream timed out (110: Connection timed out) while connecting to upstream")]
    ConnectTimeout,
    /// The peer did not complete the TLS handshake in time: 504.
    #[error("upstream timed out (110: Connection timed out) while SSL handshaking to upstream")]
    HandshakeTimeout,
    /// The TLS handshake with the peer failed: 502.
    #[error("SSL_do_handshake() failed ({0}) while SSL handshaking to upstream")]
    Tls(String),
    /// The certificate of the peer is not one of this name: 502.
    #[error("upstream SSL certificate does not match \"{0}\" while SSL handshaking to upstream")]
    CertificateName(String),
    /// The certificate of the peer leads to no authority that is trusted, or is out of its time: 502.
    #[error("upstream SSL certificate verify error: ({0}) while SSL handshaking to upstream")]
    CertificateDistrusted(String),
    /// Writing to or reading from the peer failed before a response was complete: 502.
    #[error("{} while reading response header from upstream", closing(.0))]
    UpstreamClosed(#[source] io::Error),
    /// The peer took nothing for the write timeout: 504.
    #[error("upstream timed out (110: Connection timed out) while sending request to upstream")]
    WriteTimeout,
    /// The peer said nothing for the read timeout: 504.
    #[error("upstream timed out (110: Connection timed out) while reading response header from upstream")]
    ReadTimeout,
    /// The peer's response breaks the protocol: 502.
    #[error("upstream sent invalid response: {0} while reading response header from upstream")]
    InvalidResponse(&'static str),
    /// The balancer has no peer to offer.
    #[error("{message}")]
    NoPeer {
        /// 503, or 500 when the reason is the resolver's own.
        status: u16,
        /// What the client is told on the first try.
        message: String,
    },
    /// A plugin threw where no response can be made of it any more: 500.
    #[error("a plugin failed")]
    PluginFailed,
    /// Something the gateway needs is missing or broken: 500.
    #[error("{0}")]
    Internal(String),
}

impl ProxyError {
    /// Where it arose.
    pub fn origin(&self) -> Origin {
        use ProxyError::*;
        match self {
            Body(BodyError::Spool(_)) | NoPeer { .. } | PluginFailed | Internal(_) => Origin::Gateway,
            Connect(_)
            | ConnectTimeout
            | HandshakeTimeout
            | Tls(_)
            | CertificateName(_)
            | CertificateDistrusted(_)
            | UpstreamClosed(_)
            | WriteTimeout
            | ReadTimeout
            | InvalidResponse(_) => Origin::Upstream,
            _ => Origin::Client,
        }
    }

    /// The status of the response that tells of it, in nginx's numbers (494 and 499 included).
    pub fn status(&self) -> u16 {
        use ProxyError::*;
        match self {
            BadRequest(_) | Body(BodyError::Malformed) => 400,
            UriTooLong => 414,
            HeadTooLarge => 494,
            MethodNotAllowed(_) => 405,
            UnsupportedVersion => 505,
            UnknownCoding => 501,
            PlainToTls => 497,
            HeadTimeout | Body(BodyError::Timeout) | SendTimeout => 408,
            Body(BodyError::TooLarge) => 413,
            Body(BodyError::Closed(_)) => 400,
            ClientGone => 499,
            Connect(_)
            | Tls(_)
            | CertificateName(_)
            | CertificateDistrusted(_)
            | UpstreamClosed(_)
            | InvalidResponse(_) => 502,
            ConnectTimeout | HandshakeTimeout | WriteTimeout | ReadTimeout => 504,
            NoPeer { status, .. } => *status,
            Body(BodyError::Spool(_)) | PluginFailed | Internal(_) => 500,
        }
    }

    /// The line that tells of it where it befell a response whose head had gone to the client already.
    ///
    /// *Kong parity*: nginx's words.
    pub fn while_reading_body(&self) -> String {
        let cause = match self {
            ProxyError::ReadTimeout => "upstream timed out (110: Connection timed out)".to_owned(),
            ProxyError::UpstreamClosed(error) => closing(error),
            ProxyError::InvalidResponse(what) => format!("upstream sent {what}"),
            other => other.to_string(),
        };
        format!("{cause} while reading upstream")
    }

    /// Whether the connection ends without a word: the client is gone, or said nothing for too long.
    ///
    /// *Kong parity*: nginx answers no request that timed out.
    pub fn is_silent(&self) -> bool {
        use ProxyError::*;
        matches!(
            self,
            ClientGone | SendTimeout | HeadTimeout | Body(BodyError::Timeout | BodyError::Closed(_))
        )
    }

    /// Whether another peer may be asked, as `proxy_next_upstream error timeout` has it.
    ///
    /// *Kong parity*: an invalid response is not among nginx's defaults. Once the request was `sent`,
    /// only methods may go out again that are not POST, PATCH or LOCK.
    pub fn may_retry(&self, sent: bool, repeatable_method: bool) -> bool {
        use ProxyError::*;
        match self {
            Connect(_)
            | ConnectTimeout
            | HandshakeTimeout
            | Tls(_)
            | CertificateName(_)
            | CertificateDistrusted(_) => true,
            UpstreamClosed(_) | WriteTimeout | ReadTimeout => !sent || repeatable_method,
            _ => false,
        }
    }
}

/// How a connection to a peer ended, in nginx's words.
fn closing(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "upstream prematurely closed connection".to_owned(),
        io::ErrorKind::BrokenPipe => format!("writev() failed ({})", system_error(error)),
        _ => format!("recv() failed ({})", system_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_may_have_been_acted_on_is_repeated_only_when_its_method_allows() {
        assert!(ProxyError::ReadTimeout.may_retry(true, true));
        assert!(!ProxyError::ReadTimeout.may_retry(true, false));
        assert!(ProxyError::ReadTimeout.may_retry(false, false));
        assert!(ProxyError::ConnectTimeout.may_retry(false, false));
        assert!(!ProxyError::InvalidResponse("x").may_retry(true, true));
    }
}
