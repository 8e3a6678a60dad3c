//! All upstreams of a worker, and the way from a host to a peer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::health::{HealthBoards, Outcome};
use super::spec::UpstreamSpec;
use super::target::AddressHost;
use super::upstream::{Balancer, Choice};
use super::{AddressId, BalancerError, Peer};
use crate::dns::Resolver;

/// So often a choice is repeated because a renewed answer took the chosen address away.
const MAX_REPEATS: usize = 8;

/// What a choice depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct PickInput<'a> {
    /// The host of the service: an upstream's name, a name or an address.
    pub host: &'a str,
    /// The port of the service; upstreams have their own.
    pub port: u16,
    /// What consistent hashing hashes.
    pub hash: &'a str,
    /// Addresses that earlier attempts of the request used.
    pub tried: &'a [AddressId],
    /// Whether nobody may be asked for names: true for retries.
    pub cache_only: bool,
}

/// The balancers of one worker.
#[derive(Debug)]
pub struct Balancers {
    dns: Resolver,
    boards: Arc<HealthBoards>,
    by_name: RefCell<HashMap<String, Rc<RefCell<Balancer>>>>,
}

impl Balancers {
    /// No upstream yet; `boards` is the one value of all workers.
    pub fn new(dns: Resolver, boards: Arc<HealthBoards>) -> Self {
        Self { dns, boards, by_name: RefCell::default() }
    }

    /// Takes over the upstreams of a snapshot; unchanged ones keep their state.
    pub fn update(&self, upstreams: impl IntoIterator<Item = Arc<UpstreamSpec>>) {
        let mut old = self.by_name.take();
        let mut by_name = HashMap::new();
        for spec in upstreams {
            let before = old.remove(&spec.name);
            let kept = before.clone().filter(|balancer| {
                let balancer = balancer.borrow();
                Arc::ptr_eq(balancer.spec(), &spec) || *balancer.spec() == spec
            });
            let balancer = kept.unwrap_or_else(|| {
                before.inspect(|before| before.borrow().forget_targets(&spec.targets));
                let board = self.boards.board(spec.id);
                Rc::new(RefCell::new(Balancer::new(spec.clone(), board)))
            });
            by_name.insert(spec.name.clone(), balancer);
        }
        old.values().for_each(|gone| gone.borrow().forget_targets(&[]));
        self.by_name.replace(by_name);
    }

    /// The balancer of an upstream.
    pub fn balancer(&self, name: &str) -> Option<Rc<RefCell<Balancer>>> {
        self.by_name.borrow().get(name).cloned()
    }

    /// The peer for a request.
    ///
    /// Every peer of an upstream is handed back by [`Balancers::release`] once.
    /// *Cost*: answers at once, without asking anybody, when the cache knows all names.
    /// *Cancel safety*: a dropped future has taken nothing.
    pub async fn pick(&self, input: &PickInput<'_>) -> Result<Peer, BalancerError> {
        let Some(balancer) = self.balancer(input.host) else {
            return self.pick_host(input).await;
        };
        if !balancer.borrow().is_resolved() {
            self.resolve_due(&balancer).await;
        }
        for _ in 0..MAX_REPEATS {
            let choice = balancer.borrow_mut().choose(input.hash, input.tried, Instant::now())?;
            let release = Release { balancer: &balancer, id: Some(choice.id) };
            if let Some(target) = choice.due.filter(|_| !input.cache_only) {
                self.resolve_target(&balancer, target).await;
                if !balancer.borrow().knows(choice.id) {
                    continue;
                }
            }
            let peer = self.peer(choice, input.cache_only).await?;
            release.keep();
            return Ok(peer);
        }
        Err(BalancerError::NoPeers)
    }

    /// Ends the use of a peer.
    pub fn release(&self, upstream: &str, peer: &Peer) {
        if let (Some(balancer), Some(id)) = (self.balancer(upstream), peer.address) {
            balancer.borrow_mut().release(id);
        }
    }

    /// Counts how an exchange with a peer ended.
    pub fn report(&self, upstream: &str, peer: &Peer, outcome: Outcome) {
        if let (Some(balancer), Some(id)) = (self.balancer(upstream), peer.address) {
            balancer.borrow_mut().report(id, outcome);
        }
    }

    /// Takes in how long an exchange with a peer took.
    pub fn report_latency(&self, upstream: &str, peer: &Peer, seconds: f64) {
        if let (Some(balancer), Some(id)) = (self.balancer(upstream), peer.address) {
            balancer.borrow_mut().report_latency(id, seconds, Instant::now());
        }
    }

    /// Resolves the targets of one upstream whose answers ran out or that were never asked for.
    pub async fn resolve(&self, balancer: &RefCell<Balancer>) {
        self.resolve_due(balancer).await;
    }

    /// Resolves all targets whose answers ran out; to be called every second.
    pub async fn renew(&self) {
        let balancers: Vec<_> = self.by_name.borrow().values().cloned().collect();
        for balancer in balancers {
            self.resolve_due(&balancer).await;
        }
    }

    async fn pick_host(&self, input: &PickInput<'_>) -> Result<Peer, BalancerError> {
        let address = self.dns.to_ip(input.host, input.port, input.cache_only).await;
        let address = address.map_err(BalancerError::Host)?;
        Ok(Peer { ip: address.ip, port: address.port, hostname: None, address: None })
    }

    async fn peer(&self, choice: Choice, cache_only: bool) -> Result<Peer, BalancerError> {
        let (ip, port) = match &choice.host {
            AddressHost::Ip(ip) => (*ip, choice.port),
            AddressHost::Name(name) => {
                let address = self.dns.to_ip(name, choice.port, cache_only).await;
                let address = address.map_err(BalancerError::Target)?;
                (address.ip, address.port)
            }
        };
        let hostname = Some(choice.hostname);
        Ok(Peer { ip, port, hostname, address: Some(choice.id) })
    }

    async fn resolve_due(&self, balancer: &RefCell<Balancer>) {
        let due = balancer.borrow().due_targets(Instant::now());
        for (target, _) in due {
            self.resolve_target(balancer, target).await;
        }
    }

    async fn resolve_target(&self, balancer: &RefCell<Balancer>, target: usize) {
        let Some(host) = balancer.borrow().target_host(target) else {
            return;
        };
        let resolved = self.dns.resolve(&host, None, false).await;
        let result = match &resolved {
            Ok(answer) => Ok(&**answer),
            Err(unresolved) => Err(&unresolved.error),
        };
        balancer.borrow_mut().update_target(target, result, Instant::now());
    }
}

/// Hands a choice back unless it is kept.
struct Release<'b> {
    balancer: &'b RefCell<Balancer>,
    id: Option<AddressId>,
}

impl Release<'_> {
    fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.balancer.borrow_mut().release(id);
        }
    }
}
