//! A worker between a raw client and a scripted upstream, all on one thread.

use crate::conf::{Conf, Sources};
use crate::exchange::ClientIdentity;
use crate::exchange::{Address, Exchange, Phase, Timeouts};
use crate::http::Scheme;
use crate::lua::plugin::PhaseOutcome;
use crate::observability::{AccessLog, LogFormat, Target};
use crate::proxy::tls::ServerTls;
use crate::proxy::upstream::{LookupPeers, UpstreamTrust};
use crate::proxy::{Accept, Arrival, Entrance, Plain, Plugins, Settings, Worker, WorkerParts, serve_worker};
use crate::router::{Flavor, PathHandling, Protocol, RouteSpec, Router, Subsystem};
use crate::snapshot::{Plans, Protocols, Published, Route, Service, Snapshot};
use rustls::RootCertStore;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::LocalSet;

/// What a test changes about the gateway it gets.
pub struct Setup {
    pub settings: Settings,
    pub route: Route,
    pub service: Service,
    pub with_service: bool,
    /// What the only route takes; DELETE finds no route.
    pub methods: Vec<String>,
    pub proxy_protocol: bool,
    pub http2: bool,
    pub tls: Option<ServerTls>,
    pub roots: RootCertStore,
    pub plugins: Plugins,
    /// Phases that the global plan has.
    pub phases: u32,
    pub log_to: Option<std::path::PathBuf>,
}

/// A running gateway and its upstream.
pub struct Gateway {
    pub address: SocketAddr,
    pub upstream: TcpListener,
    pub worker: Rc<Worker>,
    pub drain: watch::Sender<bool>,
}

/// Accepts until the drain.
struct Listening(TcpListener, watch::Receiver<bool>);

impl Accept for Listening {
    async fn accept(&mut self) -> Option<Arrival> {
        tokio::select! {
            _ = self.1.wait_for(|drains| *drains) => None,
            accepted = self.0.accept() => {
                let (stream, peer) = accepted.ok()?;
                stream.set_nodelay(true).ok()?;
                Some(Arrival { stream: Plain::Tcp(stream), peer: Address::inet(peer) })
            }
        }
    }
}

/// No certificates but some authorities.
struct Roots(Arc<RootCertStore>);

impl UpstreamTrust for Roots {
    fn identity(&self, _: Option<&str>) -> Option<ClientIdentity> {
        None
    }

    fn authorities(&self, _: &[Arc<str>]) -> Arc<RootCertStore> {
        self.0.clone()
    }

    fn version(&self) -> u64 {
        0
    }
}

impl Setup {
    /// Makes the certificates of a PEM text the authorities for upstreams.
    pub fn trust_own_roots(&mut self, pem: &str) {
        self.roots.add_parsable_certificates(crate::proxy::tls::chain(pem).unwrap());
    }
}

/// Plugins made of one closure, which never throws; a response that it makes ends the phase.
pub fn plugins(script: impl FnMut(&mut Exchange, Phase) + 'static) -> Plugins {
    let script = RefCell::new(script);
    Plugins::Script(Box::new(move |exchange, phase| {
        (script.borrow_mut())(exchange, phase);
        PhaseOutcome::Continue
    }))
}

/// Runs `test` against a gateway made by `setup`.
pub fn with_gateway<F, T>(setup: impl FnOnce(&mut Setup), test: F)
where
    F: FnOnce(Gateway) -> T,
    T: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut parts = default_setup(upstream.local_addr().unwrap());
        setup(&mut parts);
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let entrance =
            Entrance { proxy_protocol: parts.proxy_protocol, http2: parts.http2, tls: parts.tls.take() };
        let worker = worker(parts);
        let (drain, drained) = watch::channel(false);
        let entrances = vec![(Listening(socket, drained.clone()), entrance)];
        let mut drained = drained;
        let drained = async move { drop(drained.wait_for(|drains| *drains).await) };
        let served = tokio::task::spawn_local(serve_worker(worker.clone(), entrances, drained));
        let gateway = Gateway { address, upstream, worker, drain };
        tokio::time::timeout(Duration::from_secs(20), test(gateway)).await.expect("test hangs");
        served.abort();
    });
}

pub fn worker(setup: Setup) -> Rc<Worker> {
    let spec = RouteSpec {
        protocols: vec![Protocol::Http, Protocol::Https],
        paths: vec!["/".to_owned(), "/strip".to_owned()],
        methods: setup.methods,
        strip_path: setup.route.strip_path,
        ..RouteSpec::default()
    };
    let (router, errors) = Router::build(Flavor::TraditionalCompatible, Subsystem::Http, &[spec]);
    assert!(errors.is_empty());
    let mut snapshot =
        Snapshot { router, routes: [setup.route.into()].into_iter().collect(), ..Snapshot::default() };
    if setup.with_service {
        snapshot.services.add(setup.service.into());
    }
    snapshot.plans = Plans::with_phases(setup.phases);
    let published = Published::default();
    published.publish(snapshot);
    let target = match &setup.log_to {
        Some(folder) => Target::open("access.log", folder).unwrap(),
        None => Target::Off,
    };
    Worker::new(WorkerParts {
        settings: setup.settings,
        published: Arc::new(published),
        peers: Box::new(LookupPeers),
        plugins: setup.plugins,
        upstream_trust: Box::new(Roots(Arc::new(setup.roots))),
        access_log: AccessLog::new(target),
        access_format: LogFormat::named("kong_log_format").unwrap(),
    })
}

/// A configuration with nothing but these properties.
pub fn conf_with(properties: &[(&str, &str)]) -> Conf {
    let sources = Sources::new(None).without_default_files().environment(BTreeMap::new());
    let sources = sources.flag("database", Some("off"));
    let sources = properties.iter().fold(sources, |all, (name, value)| all.flag(name, Some(value)));
    Conf::load(&sources).unwrap()
}

fn default_setup(upstream: SocketAddr) -> Setup {
    let mut settings = Settings::new(&conf_with(&[]));
    settings.spool = std::env::temp_dir().join(format!("kong-proxy-test-{}", std::process::id()));
    Setup {
        settings,
        route: route(),
        service: service(upstream),
        with_service: true,
        methods: ["GET", "HEAD", "POST", "PUT"].map(str::to_owned).to_vec(),
        proxy_protocol: false,
        http2: false,
        tls: None,
        roots: RootCertStore::empty(),
        plugins: Plugins::None,
        phases: 0,
        log_to: None,
    }
}

fn route() -> Route {
    Route {
        id: "cccccccc-0000-0000-0000-000000000001".into(),
        name: Some("r".into()),
        service: Some(0),
        protocols: Protocols::HTTP.with(Protocols::HTTPS),
        https_redirect_status: 426,
        strip_path: true,
        preserve_host: false,
        request_buffering: true,
        response_buffering: true,
        path_handling: PathHandling::V0,
        entity: Arc::default(),
    }
}

fn service(upstream: SocketAddr) -> Service {
    Service {
        id: "cccccccc-0000-0000-0000-000000000002".into(),
        name: Some("s".into()),
        enabled: true,
        protocol: "http".into(),
        scheme: Scheme::Http,
        host: upstream.ip().to_string().into(),
        address: Some(upstream.ip()),
        port: upstream.port(),
        path: None,
        retries: 5,
        timeouts: Timeouts { connect: 1000, write: 1000, read: 1000 },
        tls_verify: None,
        tls_verify_depth: None,
        ca_certificates: Vec::new(),
        client_certificate: None,
        entity: Arc::default(),
    }
}

/// A raw connection, on either side.
pub struct Raw {
    pub stream: TcpStream,
    seen: Vec<u8>,
}

impl Gateway {
    /// A new client connection.
    pub async fn client(&self) -> Raw {
        Raw::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// The next connection that the gateway opens to its upstream.
    pub async fn peer(&self) -> Raw {
        Raw::new(self.upstream.accept().await.unwrap().0)
    }

    /// Sends `request` on a new connection and returns everything until it is closed.
    pub async fn ask(&self, request: &str) -> String {
        let mut client = self.client().await;
        client.send(request).await;
        client.rest().await
    }
}

impl Raw {
    pub fn new(stream: TcpStream) -> Raw {
        stream.set_nodelay(true).unwrap();
        Raw { stream, seen: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until `end` has been seen, and returns everything up to its end.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = memchr::memmem::find(&self.seen, end.as_bytes()) {
                let rest = self.seen.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
            }
            let read = self.stream.read_buf(&mut self.seen).await.unwrap();
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// Reads a head.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Reads exactly `len` bytes.
    pub async fn exactly(&mut self, len: usize) -> String {
        while self.seen.len() < len {
            assert!(self.stream.read_buf(&mut self.seen).await.unwrap() > 0, "closed");
        }
        let rest = self.seen.split_off(len);
        String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap()
    }

    /// Everything until the other side closes.
    pub async fn rest(&mut self) -> String {
        // A reset ends it as well as a close.
        while matches!(self.stream.read_buf(&mut self.seen).await, Ok(1..)) {}
        String::from_utf8(std::mem::take(&mut self.seen)).unwrap()
    }

    /// Whether the other side has closed, and sent nothing before.
    pub async fn is_closed(&mut self) -> bool {
        let wait = tokio::time::timeout(Duration::from_millis(100), self.stream.read_buf(&mut self.seen));
        matches!(wait.await, Ok(Ok(0) | Err(_)))
    }
}

/// The value of a field in a head.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (n, value) = line.split_once(": ")?;
        n.eq_ignore_ascii_case(name).then_some(value)
    })
}
