//! Active health checks: asks the addresses of upstreams how they are, in intervals.
//!
//! One prober runs in each worker process, on the control thread; what it finds out is on the boards that all
//! workers share. An upstream has two rounds with intervals of their own: one over addresses that are available, one
//! over those that are not.
//!
//! *Kong parity*: lua-resty-healthcheck 3.1.0: the first round comes after one interval; a round is left out while
//! the one before it is still going on; requests are HTTP/1.0. Probes of type `tcp` are for streams only.

use crate::balancer::{ActiveChecks, Balancers, Outcome, Probed, UpstreamSpec};
use crate::observability::log;
use crate::persistent::Slots;
use crate::proxy::upstream::{Authorities, Identity, TlsKey, UpstreamTls};
use crate::snapshot::Published;
use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, interval, timeout};

/// How often is looked whether a round is due.
const TICK: Duration = Duration::from_millis(100);
/// A status line longer than this is none.
const LONGEST_LINE: u64 = 8192;

/// What the probes of one worker process share.
pub(super) struct Prober {
    pub(super) balancers: Rc<Balancers>,
    pub(super) published: Arc<Published>,
    pub(super) tls: UpstreamTls,
}

/// The two rounds of an upstream.
struct Rounds {
    spec: Arc<UpstreamSpec>,
    healthy: Round,
    unhealthy: Round,
}

struct Round {
    last: Instant,
    running: Rc<Cell<bool>>,
}

impl Round {
    fn new() -> Round {
        Round { last: Instant::now(), running: Rc::default() }
    }

    /// Whether it is time for the next one, which is then taken for begun.
    fn is_due(&mut self, interval: Duration, now: Instant) -> bool {
        if interval.is_zero() || now < self.last + interval {
            return false;
        }
        self.last = now;
        !self.running.get()
    }
}

impl Prober {
    /// Follows the snapshots and probes, until it is dropped.
    pub(super) async fn run(self: Rc<Self>) {
        let mut ticks = interval(TICK);
        let mut upstreams = Slots::default();
        let mut rounds: HashMap<uuid::Uuid, Rounds> = HashMap::new();
        loop {
            ticks.tick().await;
            let snapshot = self.published.current();
            if !upstreams.is_same(&snapshot.upstreams) {
                upstreams = snapshot.upstreams.clone();
                self.balancers.update(snapshot.upstreams.iter().cloned());
                follow(&mut rounds, &upstreams);
            }
            let now = Instant::now();
            for upstream in rounds.values_mut() {
                self.begin_due(upstream, now);
            }
        }
    }

    fn begin_due(self: &Rc<Self>, upstream: &mut Rounds, now: Instant) {
        let Some(active) = &upstream.spec.active else { return };
        for (round, interval, healthy) in [
            (&mut upstream.healthy, active.healthy_interval, true),
            (&mut upstream.unhealthy, active.unhealthy_interval, false),
        ] {
            if !round.is_due(interval, now) {
                continue;
            }
            let balancer = self.balancers.balancer(&upstream.spec.name);
            let probed = balancer.map(|balancer| balancer.borrow().probed(healthy)).unwrap_or_default();
            if !probed.is_empty() {
                let running = Running::begin(&round.running);
                let (prober, spec) = (Rc::clone(self), Arc::clone(&upstream.spec));
                tokio::task::spawn_local(async move {
                    prober.round(&spec, probed).await;
                    drop(running);
                });
            }
        }
    }

    /// Probes all addresses, as many at once as the upstream allows.
    async fn round(self: &Rc<Self>, spec: &Arc<UpstreamSpec>, probed: Vec<Probed>) {
        let Some(active) = &spec.active else { return };
        let places = Rc::new(Semaphore::new(active.concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        let probes: Vec<_> = probed
            .into_iter()
            .map(|address| {
                let (prober, spec, places) = (Rc::clone(self), Arc::clone(spec), Rc::clone(&places));
                tokio::task::spawn_local(async move {
                    // never closed
                    let _place = places.acquire().await;
                    prober.probe(&spec, &address).await;
                })
            })
            .collect();
        for probe in probes {
            // one that panicked has been told already
            let _ = probe.await;
        }
    }

    async fn probe(&self, spec: &UpstreamSpec, address: &Probed) {
        let Some(active) = &spec.active else { return };
        let outcome = self.ask(spec, active, address).await;
        if let Some(balancer) = self.balancers.balancer(&spec.name) {
            balancer.borrow().report_probe(address, outcome, &active.checks);
        }
    }

    async fn ask(&self, spec: &UpstreamSpec, active: &ActiveChecks, address: &Probed) -> Outcome {
        let stream = match timeout(active.timeout, TcpStream::connect((address.ip, address.port))).await {
            Err(_) => return Outcome::Timeout,
            Ok(Err(_)) => return Outcome::TcpFailure,
            Ok(Ok(stream)) => stream,
        };
        let answer = if active.tls {
            match self.handshake(active, address, stream).await {
                Ok(stream) => request(active, address, stream).await,
                Err(error) => {
                    let (sni, at) = (sni(active, address), format!("{}:{}", address.ip, address.port));
                    log::error!(
                        "[healthcheck] ({}) failed SSL handshake with '{} ({at})', using server name (sni) '{sni}': {error}",
                        spec.log_name,
                        address.hostname
                    );
                    return Outcome::TcpFailure;
                }
            }
        } else {
            request(active, address, stream).await
        };
        answer.unwrap_or_else(|error| {
            let at = format!("{}:{}", address.ip, address.port);
            log::error!(
                "[healthcheck] ({}) failed to receive status line from '{} ({at})': {}",
                spec.log_name,
                address.hostname,
                words(&error)
            );
            if error.kind() == io::ErrorKind::TimedOut { Outcome::Timeout } else { Outcome::TcpFailure }
        })
    }

    async fn handshake(
        &self,
        active: &ActiveChecks,
        address: &Probed,
        stream: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, String> {
        let key = TlsKey {
            version: self.tls.version(),
            sni: sni(active, address).as_bytes().into(),
            identity: active.client_certificate.clone().map_or(Identity::Configured, Identity::Entity),
            verified: active.verify.then(|| (u32::from(u8::MAX), Authorities::Entities(Vec::new()))),
        };
        let (connector, name) = self.tls.connector(&key, address.ip).map_err(|error| error.to_string())?;
        let done = timeout(active.timeout, connector.connect(name, stream)).await;
        done.map_err(|_| "timeout".to_owned())?.map_err(|error| error.to_string())
    }
}

/// Keeps the rounds of upstreams that stay as they are, and begins those of others.
fn follow(rounds: &mut HashMap<uuid::Uuid, Rounds>, upstreams: &Slots<Arc<UpstreamSpec>>) {
    let mut old = std::mem::take(rounds);
    for spec in upstreams.iter().filter(|spec| spec.active.is_some()) {
        let kept = old.remove(&spec.id).filter(|kept| kept.spec == *spec);
        let begun = || Rounds { spec: spec.clone(), healthy: Round::new(), unhealthy: Round::new() };
        rounds.insert(spec.id, kept.unwrap_or_else(begun));
    }
}

/// Marks a round as going on for as long as it lives.
struct Running(Rc<Cell<bool>>);

impl Running {
    fn begin(running: &Rc<Cell<bool>>) -> Running {
        running.set(true);
        Running(Rc::clone(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

fn sni<'a>(active: &'a ActiveChecks, address: &'a Probed) -> &'a str {
    let named = active.sni.as_deref().or(address.host_header.as_deref());
    named.unwrap_or(&address.hostname)
}

/// Sends the request and reads the status; a line without one counts as status 0.
async fn request(
    active: &ActiveChecks,
    address: &Probed,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<Outcome> {
    let fields: String = active.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let host = address.host_header.as_deref().unwrap_or(&address.hostname);
    let head = format!("GET {} HTTP/1.0\r\n{fields}Host: {host}\r\n\r\n", active.path);
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    timeout(active.timeout, stream.write_all(head.as_bytes())).await.map_err(late)??;
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(LONGEST_LINE));
    timeout(active.timeout, reader.read_until(b'\n', &mut line)).await.map_err(late)??;
    if line.last() != Some(&b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Outcome::Status(status(&String::from_utf8_lossy(&line)).unwrap_or(0)))
}

fn status(line: &str) -> Option<u16> {
    let (version, rest) = line.split_once(char::is_whitespace)?;
    version.get(..5).filter(|protocol| protocol.eq_ignore_ascii_case("HTTP/"))?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// OpenResty's words for a failure of a socket.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "timeout".to_owned(),
        io::ErrorKind::UnexpectedEof => "closed".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_from_any_version() {
        assert_eq!(status("HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status("HTTP/1.0 503\r\n"), Some(503));
        assert_eq!(status("SSH-2.0-OpenSSH 200\r\n"), None);
        assert_eq!(status("HTTP/1.1 \r\n"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_begin_after_an_interval_and_are_left_out_while_one_goes_on() {
        let mut round = Round::new();
        let second = Duration::from_secs(1);
        assert!(!round.is_due(second, Instant::now()));
        tokio::time::advance(second).await;
        assert!(round.is_due(second, Instant::now()));
        let running = Running::begin(&round.running);
        tokio::time::advance(second).await;
        assert!(!round.is_due(second, Instant::now()));
        drop(running);
        tokio::time::advance(second).await;
        assert!(round.is_due(second, Instant::now()));
        assert!(!round.is_due(Duration::ZERO, Instant::now() + second));
    }
}
