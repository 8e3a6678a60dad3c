//! Peers from the balancer: the proxy's [`PeerPicker`] over upstreams, targets and DNS.

use crate::balancer::{BalancerError, Balancers, HashSource, PickInput, UpstreamSpec, hash_value};
use crate::balancer::{Outcome as TryOutcome, Peer as BalancerPeer};
use crate::exchange::{Exchange, LogContext};
use crate::http::Known;
use crate::http::query::{Args, DEFAULT_MAX_ARGS};
use crate::observability::log;
use crate::persistent::Slots;
use crate::proxy::ProxyError;
use crate::proxy::upstream::{Outcome, Peer, PeerPicker};
use crate::snapshot::Published;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

/// The balancers of one worker, kept in step with the snapshot.
pub(super) struct BalancedPeers {
    balancers: Rc<Balancers>,
    published: Arc<Published>,
    generation: Cell<u64>,
    upstreams: RefCell<Slots<Arc<UpstreamSpec>>>,
}

impl BalancedPeers {
    pub(super) fn new(balancers: Rc<Balancers>, published: Arc<Published>) -> BalancedPeers {
        BalancedPeers { balancers, published, generation: Cell::new(0), upstreams: RefCell::default() }
    }

    /// Takes over the upstreams of a snapshot that is new to this worker.
    fn follow_snapshot(&self) {
        let generation = self.published.generation();
        if self.generation.replace(generation) == generation {
            return;
        }
        let snapshot = self.published.current();
        if !self.upstreams.borrow().is_same(&snapshot.upstreams) {
            self.balancers.update(snapshot.upstreams.iter().cloned());
            self.upstreams.replace(snapshot.upstreams.clone());
        }
    }
}

impl PeerPicker for BalancedPeers {
    /// A literal address needs no balancer, and is the common case behind a sidecar or in tests.
    fn pick_now(&self, exchange: &mut Exchange) -> Option<Result<Peer, ProxyError>> {
        let (host, port) = (exchange.upstream.host.as_slice(), exchange.upstream.port);
        let service = exchange.upstream.service.and_then(|index| exchange.snapshot.services.get(index));
        if let Some(service) = service.filter(|service| service.host.as_bytes() == host) {
            let address = SocketAddr::new(service.address?, port);
            return Some(Ok(Peer { address, hostname: service.host.clone() }));
        }
        let host = std::str::from_utf8(host).ok()?;
        let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        Some(Ok(Peer { address: SocketAddr::new(ip, port), hostname: Arc::from(host) }))
    }

    fn pick<'a>(
        &'a self,
        exchange: &'a mut Exchange,
    ) -> Pin<Box<dyn Future<Output = Result<Peer, ProxyError>> + 'a>> {
        Box::pin(async move {
            self.follow_snapshot();
            let host = String::from_utf8_lossy(&exchange.upstream.host).into_owned();
            self.choose_hash(exchange, &host);
            let balancing = &exchange.upstream.balancing;
            let input = PickInput {
                host: &host,
                port: exchange.upstream.port,
                hash: balancing.hash.as_deref().unwrap_or_default(),
                tried: &balancing.tried,
                cache_only: !exchange.upstream.tries.is_empty(),
            };
            match self.balancers.pick(&input).await {
                Ok(peer) => Ok(take(exchange, &host, peer)),
                Err(error) => {
                    if error.dns_error().is_some() {
                        log::error!(&LogContext(exchange) => "DNS resolution failed: {error}");
                    }
                    Err(no_peer(&error))
                }
            }
        })
    }

    fn report(&self, exchange: &mut Exchange, outcome: Outcome) {
        let Some(peer) = exchange.upstream.balancing.peer.take() else { return };
        let host = String::from_utf8_lossy(&exchange.upstream.host);
        let outcome = match outcome {
            Outcome::Status(status) => TryOutcome::Status(status),
            Outcome::Failed => TryOutcome::TcpFailure,
            Outcome::TimedOut => TryOutcome::Timeout,
            Outcome::Abandoned => return self.balancers.release(&host, &peer),
        };
        self.balancers.report(&host, &peer, outcome);
        if let (TryOutcome::Status(_), Some(begun)) = (outcome, exchange.upstream.tries.last()) {
            let seconds = crate::exchange::now().saturating_sub(begun.start) as f64 / 1e6;
            self.balancers.report_latency(&host, &peer, seconds);
        }
        self.balancers.release(&host, &peer);
        exchange.upstream.balancing.tried.extend(peer.address);
    }
}

impl BalancedPeers {
    /// Computes what is hashed, once for all tries.
    fn choose_hash(&self, exchange: &mut Exchange, host: &str) {
        if exchange.upstream.balancing.hash.is_some() {
            return;
        }
        let Some(balancer) = self.balancers.balancer(host) else { return };
        let spec = balancer.borrow().spec().clone();
        let (hash, cookie) = hash_value(&spec, &*exchange);
        let (hash, cookie) = (hash.into_owned(), cookie.map(|cookie| cookie.field_value()));
        exchange.upstream.balancing.hash = Some(hash);
        exchange.upstream.balancing.cookie = cookie;
    }
}

fn take(exchange: &mut Exchange, host: &str, peer: BalancerPeer) -> Peer {
    let hostname = match &peer.hostname {
        Some(name) => Arc::from(&**name),
        None => service_host(exchange, host),
    };
    let address = SocketAddr::new(peer.ip, peer.port);
    exchange.upstream.balancing.peer = Some(peer);
    Peer { address, hostname }
}

/// The host's name, shared with the service that has it.
fn service_host(exchange: &Exchange, host: &str) -> Arc<str> {
    let service = exchange.upstream.service.and_then(|index| exchange.snapshot.services.get(index));
    match service {
        Some(service) if *service.host == *host => service.host.clone(),
        _ => Arc::from(host),
    }
}

fn no_peer(error: &BalancerError) -> ProxyError {
    ProxyError::NoPeer { status: error.status(), message: error.message() }
}

impl HashSource for Exchange {
    fn consumer(&self) -> Option<Cow<'_, str>> {
        self.lua.consumer.as_deref().map(Cow::Borrowed)
    }

    fn ip(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.remote().text))
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let lines = self.request.head.fields.iter();
        let mut values =
            lines.filter(|(line, _)| line.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value);
        let first = String::from_utf8_lossy(values.next()?);
        // nginx joins the lines of a field
        Some(values.fold(first, |joined, value| joined + ", " + String::from_utf8_lossy(value)))
    }

    fn cookie(&self, name: &str) -> Option<Cow<'_, str>> {
        let cookies = self.request.head.fields.known_values(Known::Cookie);
        cookies.flat_map(|line| line.split(|b| *b == b';')).find_map(|pair| {
            let pair = pair.trim_ascii();
            let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(String::from_utf8_lossy(value))
        })
    }

    fn path(&self) -> Option<Cow<'_, str>> {
        Some(match self.request.uri() {
            Cow::Borrowed(path) => String::from_utf8_lossy(path),
            Cow::Owned(path) => Cow::Owned(String::from_utf8_lossy(&path).into_owned()),
        })
    }

    fn query_arg(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values: Vec<String> = Args::new(self.request.query()?, DEFAULT_MAX_ARGS)
            .filter(|arg| *arg.name == *name.as_bytes())
            .map(|arg| match arg.value {
                Some(value) => String::from_utf8_lossy(&value).into_owned(),
                // what Lua has for it is the boolean
                None => "true".to_owned(),
            })
            .collect();
        values.sort();
        (!values.is_empty()).then(|| Cow::Owned(values.join(",")))
    }

    fn uri_capture(&self, name: &str) -> Option<Cow<'_, str>> {
        let captures = self.snapshot.router.captures(&self.matched?, &self.match_input())?;
        let found = match name.parse::<usize>() {
            Ok(number) => captures.numbered.get(number).cloned().flatten(),
            Err(_) => {
                captures.named.iter().find(|(known, _)| **known == *name).map(|(_, value)| value.clone())
            }
        };
        found.map(|value| Cow::Owned(String::from_utf8_lossy(&value).into_owned()))
    }
}
