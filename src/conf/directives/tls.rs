//! TLS towards clients.

use std::time::Duration;

use super::reader::Reader;

/// `ssl_…` directives of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsDirectives {
    /// Versions to offer, as nginx names them: `TLSv1.2`.
    pub ssl_protocols: Vec<String>,
    /// Whether the server's order of cipher suites counts.
    pub ssl_prefer_server_ciphers: bool,
    /// Whether sessions are resumed by tickets.
    pub ssl_session_tickets: bool,
    /// How long a session can be resumed.
    pub ssl_session_timeout: Duration,
    /// The Diffie-Hellman group's name or file.
    pub ssl_dhparam: Option<String>,
    /// The curves to offer; `None` is the library's choice.
    pub ssl_ecdh_curve: Option<String>,
    /// `ssl_conf_command`, as it is.
    pub ssl_conf_command: Option<String>,
}

impl TlsDirectives {
    /// Reads the directives that the reader's namespaces set.
    pub(super) fn read(reader: &mut Reader<'_>) -> TlsDirectives {
        let protocols = reader.text("ssl_protocols").unwrap_or_else(|| "TLSv1.2 TLSv1.3".to_owned());
        TlsDirectives {
            ssl_protocols: protocols.split_whitespace().map(str::to_owned).collect(),
            ssl_prefer_server_ciphers: reader.switch("ssl_prefer_server_ciphers", false),
            ssl_session_tickets: reader.switch("ssl_session_tickets", true),
            ssl_session_timeout: reader.time("ssl_session_timeout", Duration::from_secs(300)),
            ssl_dhparam: reader.text("ssl_dhparam"),
            ssl_ecdh_curve: reader.text("ssl_ecdh_curve").filter(|curve| curve != "auto"),
            ssl_conf_command: reader.text("ssl_conf_command"),
        }
    }
}
