//! The handshake.

use super::certificates::Chooser;
use super::tailored::tailored;
use super::{TlsError, cipher_name, cipher_suites, hello, pem, version_name, versions};
use crate::conf::Conf;
use crate::exchange::{Client, Exchange, Handshake as Wanted, Phase, Request, Tls};
use crate::http::Scheme;
use crate::lua::plugin::PhaseOutcome;
use crate::observability::log;
use crate::proxy::{Plain, Stream, Worker};
use crate::snapshot::Published;
use crate::tls::client_verify;
use crate::vaults::Vaults;
use rustls::HandshakeKind;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::Acceptor;
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use std::rc::Rc;
use std::sync::Arc;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

/// TLS of one listener; clones share tickets and certificates.
#[derive(Debug, Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    versions: Arc<[&'static SupportedProtocolVersion]>,
    chooser: Arc<Chooser>,
}

/// What a connection on a TLS listener turned out to be.
pub enum Handshake {
    /// It speaks TLS, and by ALPN perhaps HTTP/2.
    Done {
        /// The connection.
        stream: Stream,
        /// Whether HTTP/2 was agreed on.
        http2: bool,
    },
    /// It speaks HTTP without TLS.
    Plain(Plain),
    /// It failed.
    Failed,
}

impl ServerTls {
    /// TLS for the proxy's listeners. What of the configuration is not supported is told in the log.
    ///
    /// *Errors*: a default certificate cannot be used; nothing of the versions or suites is supported.
    pub fn new(conf: &Conf, published: Arc<Published>, http2: bool) -> Result<ServerTls, TlsError> {
        let configured = conf.ssl_cert.iter().zip(&conf.ssl_cert_key);
        let defaults = certificates(conf, configured, "")?;
        ServerTls::with(conf, Chooser::new(published, defaults, Vaults::of_process(conf)), http2)
    }

    /// TLS for listeners of the Admin API (`admin`) or the Status API (`status`): the same versions and
    /// suites, with certificates of their own.
    ///
    /// *Errors*: as for [`ServerTls::new`].
    pub fn of_api(conf: &Conf, api: &str, http2: bool) -> Result<ServerTls, TlsError> {
        let (certs, keys) = match api {
            "admin" => (&conf.admin_ssl_cert, &conf.admin_ssl_cert_key),
            _ => (&conf.status_ssl_cert, &conf.status_ssl_cert_key),
        };
        let defaults = certificates(conf, certs.iter().zip(keys), &format!("{api}-"))?;
        ServerTls::with(conf, Chooser::new(Arc::default(), defaults, Vaults::of_process(conf)), http2)
    }

    /// For servers that do their own handshakes.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    fn with(conf: &Conf, chooser: Chooser, http2: bool) -> Result<ServerTls, TlsError> {
        let chooser = Arc::new(chooser);
        let (suites, unknown) = match &conf.ssl_ciphers {
            Some(list) => cipher_suites(list),
            None => (aws_lc_rs::ALL_CIPHER_SUITES.to_vec(), Vec::new()),
        };
        let tls = &conf.nginx.proxy.tls;
        let (versions, old) = versions(&tls.ssl_protocols);
        if !unknown.is_empty() || !old.is_empty() {
            log::notice!("not supported by this TLS: {}", [old, unknown].concat().join(", "));
        }
        if versions.is_empty() {
            return Err(TlsError::Nothing("version"));
        }
        let provider = CryptoProvider { cipher_suites: suites, ..aws_lc_rs::default_provider() };
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&versions)?
            .with_no_client_auth()
            .with_cert_resolver(chooser.clone());
        config.ignore_client_order = tls.ssl_prefer_server_ciphers;
        if tls.ssl_session_tickets {
            config.ticketer = aws_lc_rs::Ticketer::new()?;
        }
        config.alpn_protocols = match http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec(), b"http/1.0".to_vec()],
            false => vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()],
        };
        Ok(ServerTls { config: Arc::new(config), versions: versions.into(), chooser })
    }

    /// Handshakes, with the `certificate` phase of plugins between the client's hello and ours. Fills in
    /// what was agreed on.
    pub async fn accept(&self, worker: &Worker, stream: Plain, client: &mut Client) -> Handshake {
        let mut first = [0; hello::LONGEST];
        let first = match stream.peek(&mut first).await {
            Ok(length) => first.get(..length).unwrap_or_default(),
            Err(_) => &[],
        };
        let asks_for_status = match first.first() {
            Some(&HANDSHAKE) => hello::asks_for_status(first).unwrap_or(true),
            Some(_) => return Handshake::Plain(stream),
            None => return Handshake::Failed,
        };
        let start = match LazyConfigAcceptor::new(Acceptor::default(), stream).await {
            Ok(start) => start,
            Err(error) => return failed(client, &error),
        };
        let sni: Option<Box<str>> = start.client_hello().server_name().map(|n| n.to_ascii_lowercase().into());
        client.scheme = Scheme::Https;
        client.tls = Some(Tls { sni, client_verify: "NONE".into(), asks_for_status, ..Tls::default() });
        let Some(wanted) = run_certificate_phase(worker, client).await else { return Handshake::Failed };
        let snapshot = worker.published.current();
        let name = client.tls.as_ref().and_then(|tls| tls.sni.as_deref());
        if let Some(id) = self.chooser.with_secrets(&snapshot, name) {
            worker.plugins.resolve_certificate(&snapshot, &id).await;
        }
        let config = match wanted.as_deref().map(|wanted| tailored(&self.config, &self.versions, wanted)) {
            None => self.config.clone(),
            Some(Ok(config)) => config,
            Some(Err(error)) => {
                log::error!("*{} {error}, client: {}", client.serial, client.peer.text);
                return Handshake::Failed;
            }
        };
        match start.into_stream(config).await {
            Ok(stream) => done(stream, client, wanted.as_deref()),
            Err(error) => failed(client, &error),
        }
    }
}

/// The first byte of every TLS connection.
const HANDSHAKE: u8 = 0x16;

fn done(
    stream: tokio_rustls::server::TlsStream<Plain>,
    client: &mut Client,
    wanted: Option<&Wanted>,
) -> Handshake {
    let session = stream.get_ref().1;
    if let Some(tls) = &mut client.tls {
        tls.version = session.protocol_version().map_or("", version_name);
        tls.cipher = session.negotiated_cipher_suite().map_or("", |suite| cipher_name(suite.suite()));
        tls.resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        if let Some(request) = wanted.and_then(|wanted| wanted.client_certificate.as_ref()) {
            let chain = session.peer_certificates().unwrap_or_default();
            tls.client_verify = client_verify(chain, &request.authorities, request.depth);
            tls.client_certificates = chain.iter().map(|der| der.to_vec()).collect();
        }
    }
    let http2 = session.alpn_protocol() == Some(b"h2");
    Handshake::Done { stream: Stream::Tls(Box::new(stream.into())), http2 }
}

fn failed(client: &Client, error: &std::io::Error) -> Handshake {
    log::info!("*{} SSL handshake failed: {error}, client: {}", client.serial, client.peer.text);
    Handshake::Failed
}

/// Lets plugins see the connection before its certificate is chosen, and answers what they said about the handshake;
/// none when one of them threw.
async fn run_certificate_phase(worker: &Worker, client: &Client) -> Option<Option<Box<Wanted>>> {
    let snapshot = worker.published.current();
    if snapshot.plans.global().phases & Phase::Certificate.bit() == 0 {
        return Some(None);
    }
    let shown = Client {
        serial: client.serial,
        peer: client.peer.clone(),
        local: client.local.clone(),
        public_port: client.public_port,
        scheme: client.scheme,
        tls: client.tls.clone(),
        proxy_protocol: client.proxy_protocol.clone(),
        raw: Default::default(),
        requests: client.requests.clone(),
    };
    let mut exchange = Box::new(Exchange::new(Rc::new(shown), snapshot, Request::default()));
    exchange.phase = Phase::Certificate;
    let outcome = worker.plugins.run(&mut exchange, Phase::Certificate).await;
    (outcome != PhaseOutcome::Failed).then(|| exchange.handshake.take())
}

/// The certificates that are configured, or those under the prefix, whose names begin with `own`; the
/// ECDSA one first.
fn certificates<'a>(
    conf: &Conf,
    configured: impl Iterator<Item = (&'a String, &'a String)>,
    own: &str,
) -> Result<Vec<Arc<CertifiedKey>>, TlsError> {
    let mut pairs: Vec<(String, String)> =
        configured.map(|(cert, key)| (cert.clone(), key.clone())).collect();
    if pairs.is_empty() {
        let path = |name: &str| conf.prefix.join("ssl").join(name).to_string_lossy().into_owned();
        for kind in ["", "-ecdsa"] {
            let name = format!("{own}kong-default{kind}");
            pairs.push((path(&format!("{name}.crt")), path(&format!("{name}.key"))));
        }
    }
    let mut keys = Vec::new();
    for (cert, key) in pairs {
        keys.push(Arc::new(pem::certified_key(&text_of(&cert)?, &text_of(&key)?)?));
    }
    keys.sort_by_key(|key: &Arc<CertifiedKey>| key.key.algorithm() == rustls::SignatureAlgorithm::RSA);
    Ok(keys)
}

/// The text itself when it is PEM, the file's otherwise.
pub(super) fn text_of(value: &str) -> Result<String, TlsError> {
    if value.contains("-----BEGIN") {
        return Ok(value.to_owned());
    }
    std::fs::read_to_string(value).map_err(|error| TlsError::Unreadable { path: value.to_owned(), error })
}
