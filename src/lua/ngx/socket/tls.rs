//! `sslhandshake`: TLS of outgoing connections.

use super::stream::Stream;
use super::tcp::{Socket, this};
use super::within;
use crate::lua::frame::{Answer, Frame, Kind};
use crate::lua::object::{self, Object};
use crate::lua::task::Resume;
use crate::lua::vm::Vm;
use crate::tls::{DepthLimited, Distrust, Unverified};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

/// A certificate chain and its key, to be shown to a peer.
pub(in crate::lua) struct Identity {
    /// The chain in DER, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the leaf.
    pub key: PrivateKeyDer<'static>,
}

/// Certificates in Lua's hands, as `ngx.ssl.parse_pem_cert` answers them.
pub(in crate::lua) struct Chain(pub Vec<CertificateDer<'static>>);

impl Object for Chain {
    const NAME: &'static CStr = c"certificate chain";

    fn methods(_: &Frame, _: c_int) {}
}

/// A private key in Lua's hands, as `ngx.ssl.parse_pem_priv_key` answers it.
pub(in crate::lua) struct Key(pub PrivateKeyDer<'static>);

impl Object for Key {
    const NAME: &'static CStr = c"private key";

    fn methods(_: &Frame, _: c_int) {}
}

/// What a handshake answers when it is asked for a session: TLS resumes by itself here.
struct Session;

impl Object for Session {
    const NAME: &'static CStr = c"ssl session";

    fn methods(_: &Frame, _: c_int) {}
}

thread_local! {
    /// Configurations without a client certificate, by how they verify. They resume sessions.
    static CONFIGS: RefCell<[Option<Arc<ClientConfig>>; 3]> = const { RefCell::new([None, None, None]) };
}

/// What of a server's certificate is verified.
#[derive(Clone, Copy)]
enum Verify {
    Nothing,
    /// All but the name: none was given.
    Chain,
    Full,
}

/// `sslhandshake(session?, name?, verify?)`.
pub(super) fn handshake(frame: &Frame) -> Answer {
    let socket = this(frame)?;
    // `false`, as opposed to nothing, says that no session is wanted.
    let wants_session = frame.kind(2) != Kind::Boolean || frame.truth(2);
    let name = frame.optional_bytes(3)?.map(|name| String::from_utf8_lossy(name).into_owned());
    let verify = match (frame.truth(4), &name) {
        (false, _) => Verify::Nothing,
        (true, None) => Verify::Chain,
        (true, Some(_)) => Verify::Full,
    };
    let tls = match socket.0.slot.borrow().as_ref() {
        None => return frame.fail("closed"),
        Some(connection) => connection.tls,
    };
    if tls {
        // A connection out of a pool has had its handshake.
        return answer(frame, wants_session);
    }
    let (config, name) = match (configuration(&socket, verify), server_name(name)) {
        (Ok(config), Ok(name)) => (config, name),
        (Err(message), _) | (_, Err(message)) => return frame.fail(message),
    };
    frame.wait(async move {
        let result = make(&socket, config, name).await;
        Box::new(move |frame: &Frame| match result {
            Ok(()) => answer(frame, wants_session),
            Err(message) => frame.fail(message),
        }) as Resume
    })
}

fn answer(frame: &Frame, wants_session: bool) -> Answer {
    if wants_session {
        object::push(frame, Session);
    } else {
        frame.push_boolean(true);
    }
    Ok(1)
}

/// `setclientcert(chain, key)`.
pub(super) fn set_client_certificate(frame: &Frame) -> Answer {
    let socket = this(frame)?;
    if frame.is_nil(2) && frame.is_nil(3) {
        socket.0.identity.replace(None);
    } else {
        let chain = object::at::<Chain>(frame, 2)?.0.clone();
        let key = object::at::<Key>(frame, 3)?.0.clone_key();
        socket.0.identity.replace(Some(Identity { chain, key }));
    }
    frame.push_integer(1);
    Ok(1)
}

async fn make(socket: &Socket, config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<(), String> {
    let Some(mut connection) = socket.take() else { return Err("closed".into()) };
    let connector = TlsConnector::from(config);
    let limit = socket.0.timeouts.get().connect;
    let work = async { Ok::<_, io::Error>(connector.connect(name, connection.stream).await) };
    match within(limit, work).await? {
        Ok(stream) => {
            connection.stream = Stream::Tls(Box::new(stream));
            connection.tls = true;
            socket.0.slot.replace(Some(connection));
            Ok(())
        }
        Err(error) => Err(handshake_words(&error)),
    }
}

/// A failed handshake in the words of OpenSSL and OpenResty.
fn handshake_words(error: &io::Error) -> String {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    if let Some(Distrust { code, words }) = inner.and_then(Distrust::of) {
        return format!("{code}: {words}");
    }
    match inner {
        Some(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
            "certificate host mismatch".into()
        }
        Some(Error::InvalidCertificate(_)) => "certificate verify failed".into(),
        Some(_) => "handshake failed".into(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "handshake failed".into(),
        None => super::words(error),
    }
}

fn server_name(name: Option<String>) -> Result<ServerName<'static>, String> {
    // Without a name none is sent: an address is no server name.
    let name = name.unwrap_or_else(|| "0.0.0.0".into());
    let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
    ServerName::try_from(name).map_err(|_| "bad server name".into())
}

fn configuration(socket: &Socket, verify: Verify) -> Result<Arc<ClientConfig>, String> {
    if let Some(identity) = socket.0.identity.borrow().as_ref() {
        return build(verify, Some(identity)).map(Arc::new);
    }
    CONFIGS.with_borrow_mut(|configs| {
        let [plain, nameless, verifying] = configs;
        let slot = match verify {
            Verify::Nothing => plain,
            Verify::Chain => nameless,
            Verify::Full => verifying,
        };
        if let Some(config) = slot {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(build(verify, None)?);
        *slot = Some(Arc::clone(&config));
        Ok(config)
    })
}

fn build(verify: Verify, identity: Option<&Identity>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier: Arc<dyn ServerCertVerifier> = match verify {
        Verify::Nothing => Arc::new(Unverified::new(provider)),
        Verify::Chain => Arc::new(verifier(provider)?.with_any_name()),
        Verify::Full => Arc::new(verifier(provider)?),
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(|error| error.to_string()),
    }
}

fn verifier(provider: Arc<CryptoProvider>) -> Result<DepthLimited, String> {
    let depth = Vm::current().map_or(1, |vm| vm.settings().verify_depth);
    DepthLimited::new(roots(), provider, depth).map_err(|error| error.to_string())
}

/// Certificates that are trusted: those the VM was given, else the system's.
fn roots() -> Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let given = Vm::current().ok().and_then(|vm| vm.settings().trusted.clone());
    given.unwrap_or_else(|| {
        Arc::clone(SYSTEM.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        }))
    })
}
