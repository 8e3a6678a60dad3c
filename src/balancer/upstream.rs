//! One upstream in one worker: the addresses of its targets, and the algorithm over them.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::consistent_hashing::Ring;
use super::health::{Checks, Counted, Health, HealthBoard, Outcome};
use super::round_robin::Wheel;
use super::spec::{Algorithm, TargetSpec, UpstreamSpec};
use super::status::{AddressStatus, TargetStatus, UpstreamStatus};
use super::target::{AddressHost, Target, TargetState, Wanted};
use super::{AddressId, BalancerError, latency, least_connections};
use crate::dns::{Answer, DnsError};
use crate::observability::log;

/// The addresses of an upstream and how they are chosen.
///
/// *Invariant*: wheel and ring hold positions in `addresses`; after these changed they are laid out
/// again before the next choice.
#[derive(Debug)]
pub struct Balancer {
    spec: Arc<UpstreamSpec>,
    targets: Vec<Target>,
    addresses: Vec<Address>,
    algorithm: State,
    healthy: bool,
    resolved: bool,
    outdated: bool,
    board: Arc<HealthBoard>,
    seen_version: u64,
    last_id: u64,
}

/// An address of a target.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) id: AddressId,
    pub(super) target: usize,
    pub(super) host: AddressHost,
    pub(super) port: u16,
    pub(super) weight: u32,
    pub(super) health: Arc<Health>,
    /// Exchanges under way.
    pub(super) connections: u32,
    /// Moving average of response times in seconds; none before the address takes part.
    pub(super) latency: Option<latency::Average>,
    hostname: Rc<str>,
}

#[derive(Debug)]
enum State {
    RoundRobin(Wheel),
    ConsistentHashing(Ring),
    LeastConnections,
    Latency,
}

/// An address that a probe is about.
#[derive(Debug, Clone)]
pub struct Probed {
    /// The name or address of its target.
    pub hostname: String,
    /// The host name for all targets of the upstream.
    pub host_header: Option<String>,
    /// What to connect to.
    pub ip: IpAddr,
    /// The port to connect to.
    pub port: u16,
    health: Arc<Health>,
}

/// An address that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Which one.
    pub id: AddressId,
    /// What to connect to.
    pub host: AddressHost,
    /// The port to connect to.
    pub port: u16,
    /// The host name that goes upstream.
    pub hostname: Rc<str>,
    /// The target that must be resolved again before the address is used.
    pub due: Option<usize>,
}

impl Balancer {
    /// A balancer none of whose targets is resolved yet.
    pub fn new(spec: Arc<UpstreamSpec>, board: Arc<HealthBoard>) -> Self {
        let algorithm = match spec.algorithm {
            Algorithm::RoundRobin => State::RoundRobin(Wheel::default()),
            Algorithm::ConsistentHashing => State::ConsistentHashing(Ring::new(spec.slots)),
            Algorithm::LeastConnections => State::LeastConnections,
            Algorithm::Latency => State::Latency,
        };
        Self {
            targets: spec.targets.iter().cloned().map(Target::new).collect(),
            addresses: Vec::new(),
            algorithm,
            healthy: false,
            resolved: spec.targets.is_empty(),
            outdated: false,
            seen_version: board.version(),
            board,
            last_id: 0,
            spec,
        }
    }

    /// The upstream.
    pub fn spec(&self) -> &Arc<UpstreamSpec> {
        &self.spec
    }

    /// Whether enough of the weight is available.
    pub fn is_healthy(&mut self) -> bool {
        self.settle(Instant::now());
        self.healthy
    }

    /// Chooses an address, other than those in `tried` where the algorithm can.
    ///
    /// `hash` is what consistent hashing hashes.
    ///
    /// *Kong parity*: round-robin moves on whether or not the next slot was tried; consistent hashing
    /// stays where it is as long as the address counts as available.
    pub fn choose(&mut self, hash: &str, tried: &[AddressId], now: Instant) -> Result<Choice, BalancerError> {
        self.settle(now);
        if !self.healthy {
            return Err(BalancerError::Unhealthy);
        }
        let addresses = &self.addresses;
        let place = match &mut self.algorithm {
            State::RoundRobin(wheel) => wheel.choose(addresses),
            State::ConsistentHashing(ring) => {
                // *Kong parity*: the words of Kong's balancer.
                log::debug!("[balancer] trying to get peer with value to hash: [{hash}]");
                ring.choose(addresses, hash)
            }
            State::LeastConnections => least_connections::choose(addresses, tried),
            State::Latency => latency::choose(addresses, tried, now),
        };
        let address = place.and_then(|place| self.addresses.get_mut(place)).ok_or(BalancerError::NoPeers)?;
        address.connections += 1;
        let target = self.targets.get(address.target);
        Ok(Choice {
            id: address.id,
            host: address.host.clone(),
            port: address.port,
            hostname: address.hostname.clone(),
            due: target.filter(|target| target.is_due(now)).map(|_| address.target),
        })
    }

    /// Ends the use of an address: every choice is released once.
    pub fn release(&mut self, id: AddressId) {
        if let Some(address) = self.addresses.iter_mut().find(|address| address.id == id) {
            address.connections = address.connections.saturating_sub(1);
        }
    }

    /// Counts an outcome towards the health of an address; whether its availability changed.
    pub fn report(&mut self, id: AddressId, outcome: Outcome) -> bool {
        let Some(checks) = &self.spec.passive else {
            return false;
        };
        let Some(address) = self.addresses.iter().find(|address| address.id == id) else {
            return false;
        };
        let Some(counted) = address.health.report(outcome, checks) else {
            return false;
        };
        let target = self.targets.get(address.target).map_or("", |target| &target.spec.host);
        self.note(counted, target, &address.host.to_string(), address.port);
        counted.changed
    }

    /// The addresses that active checks probe: those that are available, or those that are not.
    pub fn probed(&self, available: bool) -> Vec<Probed> {
        let asked =
            self.addresses.iter().filter(|address| address.weight > 0 && address.is_available() == available);
        asked
            .filter_map(|address| {
                let AddressHost::Ip(ip) = address.host else { return None };
                let target = self.targets.get(address.target)?;
                Some(Probed {
                    hostname: target.spec.host.clone(),
                    host_header: self.spec.host_header.clone(),
                    ip,
                    port: address.port,
                    health: address.health.clone(),
                })
            })
            .collect()
    }

    /// Counts what a probe found out.
    pub fn report_probe(&self, address: &Probed, outcome: Outcome, checks: &Checks) {
        if let Some(counted) = address.health.report(outcome, checks) {
            self.note(counted, &address.hostname, &address.ip.to_string(), address.port);
        }
    }

    /// Tells the log what was counted, and the workers when that changed something.
    fn note(&self, counted: Counted, host: &str, ip: &str, port: u16) {
        log::warn!("[healthcheck] ({}) {counted} for '{host}({ip}:{port})'", self.spec.log_name);
        if counted.changed {
            self.board.announce_change();
        }
    }

    /// Takes in how long an address took, in seconds, connecting included.
    pub fn report_latency(&mut self, id: AddressId, seconds: f64, now: Instant) {
        if let Some(address) = self.addresses.iter_mut().find(|address| address.id == id)
            && let Some(average) = &mut address.latency
        {
            average.add(seconds, now);
        }
    }

    /// The targets that must be resolved (again), with the names to resolve.
    pub fn due_targets(&self, now: Instant) -> Vec<(usize, String)> {
        let targets = self.targets.iter().enumerate();
        let due = targets.filter(|(_, target)| target.is_due(now));
        due.map(|(number, target)| (number, target.spec.host.clone())).collect()
    }

    /// The name of a target.
    pub fn target_host(&self, target: usize) -> Option<String> {
        self.targets.get(target).map(|target| target.spec.host.clone())
    }

    /// Whether every target was resolved once, be it without success.
    pub fn is_resolved(&self) -> bool {
        self.resolved
    }

    /// Whether an address still exists.
    pub fn knows(&self, id: AddressId) -> bool {
        self.addresses.iter().any(|address| address.id == id)
    }

    /// Takes over what the name of a target resolved to.
    pub fn update_target(&mut self, number: usize, result: Result<&Answer, &DnsError>, now: Instant) {
        let Some(target) = self.targets.get_mut(number) else {
            return;
        };
        let wanted = target.take_over(result, now);
        self.resolved = self.resolved || self.targets.iter().all(|target| target.expires.is_some());
        let mut changed = false;
        self.addresses.retain(|address| {
            let keep = address.target != number || wanted.iter().any(|wanted| address.is(wanted));
            changed |= !keep;
            keep
        });
        for wanted in wanted {
            let known =
                self.addresses.iter_mut().find(|address| address.target == number && address.is(&wanted));
            match known {
                Some(address) => {
                    changed |= std::mem::replace(&mut address.weight, wanted.weight) != wanted.weight
                }
                None => {
                    self.add_address(number, wanted);
                    changed = true;
                }
            }
        }
        self.outdated |= changed;
    }

    /// What the Admin API tells.
    pub fn upstream_status(&mut self) -> UpstreamStatus {
        let healthy = self.is_healthy();
        UpstreamStatus { healthy, checked: self.spec.checked, targets: self.status() }
    }

    /// What the Admin API tells of the targets.
    pub fn status(&self) -> Vec<TargetStatus> {
        self.targets.iter().enumerate().map(|(number, target)| self.target_status(number, target)).collect()
    }

    /// Forces the availability of the addresses of `host:port`, or of one of them; how many there are.
    pub fn set_available(&mut self, host: &str, ip: Option<&str>, port: u16, available: bool) -> usize {
        let mut count = 0;
        for address in &self.addresses {
            let target = self.targets.get(address.target);
            let named = target.is_some_and(|target| target.spec.host == host);
            let meant = ip.is_none_or(|ip| address.host.to_string() == ip);
            if address.port == port && named && meant {
                address.health.set_available(available);
                count += 1;
            }
        }
        self.board.announce_change();
        count
    }

    /// Forgets how the targets fared that are not in `remaining`.
    pub(super) fn forget_targets(&self, remaining: &[TargetSpec]) {
        let stays =
            |host: &str, port: u16| remaining.iter().any(|left| left.host == host && left.port == port);
        let targets = self.spec.targets.iter();
        for gone in targets.filter(|target| !stays(&target.host, target.port)) {
            self.board.forget(&gone.host, gone.port);
        }
    }

    fn add_address(&mut self, number: usize, wanted: Wanted) {
        let Some(target) = self.targets.get(number) else {
            return;
        };
        let name = target.spec.host.as_str();
        let is_literal = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        let hostname: Rc<str> = match (&self.spec.host_header, &wanted.host) {
            (Some(given), _) => given.as_str().into(),
            (None, host) if is_literal => host.to_string().into(),
            (None, AddressHost::Name(srv_name)) if self.spec.use_srv_name => srv_name.as_str().into(),
            (None, _) => name.into(),
        };
        self.last_id += 1;
        self.addresses.push(Address {
            id: AddressId(self.last_id),
            target: number,
            port: wanted.port,
            weight: wanted.weight,
            health: self.board.health(name, &wanted.host.to_string(), wanted.port),
            connections: 0,
            latency: None,
            hostname,
            host: wanted.host,
        });
    }

    /// Lays the addresses out again when some came or went, or some worker changed the health of one.
    fn settle(&mut self, now: Instant) {
        let version = self.board.version();
        if self.outdated || version != self.seen_version {
            self.outdated = false;
            self.seen_version = version;
            self.rebuild(now);
        }
    }

    fn rebuild(&mut self, now: Instant) {
        let weight_of = |available: bool| -> u64 {
            let counted = self.addresses.iter().filter(|address| !available || address.is_available());
            counted.map(|address| u64::from(address.weight)).sum()
        };
        let (total, available) = (weight_of(false), weight_of(true));
        self.healthy = total > 0 && available as f64 / total as f64 * 100.0 > self.spec.threshold;
        match &mut self.algorithm {
            State::RoundRobin(wheel) => wheel.rebuild(&self.addresses),
            State::ConsistentHashing(ring) => ring.rebuild(&self.addresses, &self.targets),
            State::LeastConnections => {}
            State::Latency => latency::rebuild(&mut self.addresses, now),
        }
    }

    fn target_status(&self, number: usize, target: &Target) -> TargetStatus {
        let own = || self.addresses.iter().filter(|address| address.target == number);
        let weight = |address: &Address| u64::from(address.weight);
        TargetStatus {
            host: target.spec.host.clone(),
            port: target.spec.port,
            dns: match &target.state {
                TargetState::Unresolved => "unknown".to_owned(),
                TargetState::Failed(error) => error.to_string(),
                TargetState::Resolved(kind) => (*kind).to_owned(),
                TargetState::NoTtl => "ttl=0, virtual SRV".to_owned(),
            },
            node_weight: target.spec.weight,
            total_weight: own().map(weight).sum(),
            unavailable_weight: own().filter(|address| !address.is_available()).map(weight).sum(),
            addresses: own()
                .map(|address| AddressStatus {
                    ip: address.host.to_string(),
                    port: address.port,
                    weight: address.weight,
                    healthy: address.is_available(),
                })
                .collect(),
        }
    }
}

impl Address {
    pub(super) fn is_available(&self) -> bool {
        self.health.is_available()
    }

    fn is(&self, wanted: &Wanted) -> bool {
        self.host == wanted.host && self.port == wanted.port
    }
}
