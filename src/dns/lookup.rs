//! One resolution: search domains and types in order, questions shared, replies kept.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::DnsError;
use super::cache::{Cache, FOREVER};
use super::name_server::{self, Reply};
use super::names::{is_service_name, literal_answer, lower_case};
use super::options::{DnsOptions, OrderItem};
use super::record::{Answer, Data, Kind, Record};
use super::stats::Stats;
use super::tries::Tries;

/// What the clones of a resolver share.
#[derive(Debug)]
pub(super) struct Lookup {
    options: DnsOptions,
    order: Vec<OrderItem>,
    from_hosts: HashSet<(String, Kind)>,
    pub(super) cache: RefCell<Cache>,
    flights: RefCell<HashMap<(String, Kind), Rc<Flight>>>,
    asked: Cell<usize>,
    pub(super) stats: Stats,
}

/// A question under way, for others who have the same one.
#[derive(Debug, Default)]
struct Flight {
    done: Notify,
    result: RefCell<Option<Result<Rc<Answer>, DnsError>>>,
}

impl Lookup {
    pub(super) fn new(options: DnsOptions) -> Self {
        let mut lookup = Self {
            order: options.order.clone(),
            from_hosts: HashSet::new(),
            cache: RefCell::new(Cache::new(&options)),
            stats: Stats::new(options.cache_size.max(1)),
            flights: RefCell::default(),
            asked: Cell::new(if options.rotate { fastrand::usize(..1024) } else { 0 }),
            options,
        };
        lookup.load_hosts();
        lookup
    }

    fn load_hosts(&mut self) {
        let now = Instant::now();
        let prefers_v6 = self.order.iter().find_map(|item| match item {
            OrderItem::Kind(kind @ (Kind::A | Kind::Aaaa)) => Some(*kind == Kind::Aaaa),
            _ => None,
        });
        let hosts = self.options.hosts.clone();
        for (name, v4, v6) in hosts.iter() {
            let v4 = v4.map(|ip| (Kind::A, IpAddr::V4(ip)));
            let v6 = v6.map(|ip| (Kind::Aaaa, IpAddr::V6(ip)));
            for (kind, ip) in v4.into_iter().chain(v6) {
                let record = Record { name: name.to_owned(), ttl: FOREVER, data: Data::Address(ip) };
                self.cache.borrow_mut().insert(name, kind, vec![record], None, now);
                self.from_hosts.insert((name.to_owned(), kind));
                let known = self.cache.borrow().last_success(name).is_some();
                if kind == Kind::A || prefers_v6 == Some(true) || !known {
                    self.remember_success(name, kind);
                }
            }
        }
    }

    /// The records of `name`; aliases are followed.
    pub(super) async fn resolve(
        self: Rc<Self>,
        name: &str,
        kind: Option<Kind>,
        cache_only: bool,
        tries: &mut Tries,
    ) -> Result<Rc<Answer>, DnsError> {
        let mut name = lower_case(name).into_owned();
        let mut kind = kind;
        loop {
            let answer = self.resolve_one(&name, kind, cache_only, tries).await?;
            match answer.records.first().map(|record| &record.data) {
                Some(Data::Cname(alias)) if kind != Some(Kind::Cname) => {
                    tries.note("dereferencing CNAME");
                    name.clone_from(alias);
                    kind = None;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// The records of `name`, which may be an alias.
    async fn resolve_one(
        self: &Rc<Self>,
        name: &str,
        kind: Option<Kind>,
        cache_only: bool,
        tries: &mut Tries,
    ) -> Result<Rc<Answer>, DnsError> {
        let now = Instant::now();
        if kind.is_none() {
            let short = self.cache.borrow().short(name, now).cloned();
            let note = if short.is_some() { "cache-hit" } else { "cache-miss" };
            if !tries.start(&format!("(short){name}"), kind, note) {
                return Err(DnsError::Recursion);
            }
            match short {
                Some(answer) if !answer.is_stale(now) => return Ok(answer),
                Some(_) => tries.note("stale"),
                None => {}
            }
        }
        self.count_run(name, kind, now);
        if let Some(answer) = literal_answer(name, kind, tries) {
            return answer;
        }
        let mut error = DnsError::Empty;
        for (candidate, candidate_kind) in self.candidates(name, kind) {
            if tries.knows(&candidate, Some(candidate_kind)) {
                return Err(DnsError::Recursion);
            }
            let answer = self.look_up(&candidate, candidate_kind, cache_only, tries).await?;
            error = match usable(&answer, &candidate, kind) {
                Ok(()) => {
                    if !cache_only {
                        self.remember(name, kind, &candidate, candidate_kind, &answer);
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            tries.note(error.to_string());
        }
        if !cache_only {
            self.cache.borrow_mut().set_last_success(name, None);
        }
        Err(error)
    }

    /// *Kong parity*: counted under the type that was asked for; without one that is an address, or SRV for the name
    /// of a service.
    fn count_run(&self, name: &str, kind: Option<Kind>, now: Instant) {
        let cache = self.cache.borrow();
        let (asked, known) = match kind {
            Some(kind) => (kind.name(), cache.answer(name, kind, now)),
            None if is_service_name(name) => ("SRV", cache.short(name, now)),
            None => ("A/AAAA", cache.short(name, now)),
        };
        self.stats.count(name, asked, "runs");
        self.stats.count(name, asked, if known.is_some() { "hit_lru" } else { "miss" });
    }

    fn remember(&self, name: &str, kind: Option<Kind>, found: &str, found_kind: Kind, answer: &Rc<Answer>) {
        if kind.is_none() {
            self.remember_success(found, found_kind);
            self.cache.borrow_mut().set_short(name, answer.clone());
        }
    }

    /// *Kong parity*: only types that are asked for in order count.
    fn remember_success(&self, name: &str, kind: Kind) {
        if self.order.contains(&OrderItem::Kind(kind)) {
            self.cache.borrow_mut().set_last_success(name, Some(kind));
        }
    }

    /// Every name and type to try, in order.
    fn candidates(&self, name: &str, kind: Option<Kind>) -> Vec<(String, Kind)> {
        let mut kinds: Vec<Kind> = Vec::new();
        let given = kind.map(OrderItem::Kind);
        let items = match &given {
            Some(item) => std::slice::from_ref(item),
            None => self.order.as_slice(),
        };
        for item in items {
            let kind = match item {
                OrderItem::Kind(kind) => Some(*kind),
                OrderItem::Last => self.cache.borrow().last_success(name),
            };
            let kind = kind.filter(|kind| given.is_some() || self.asks_for(name, *kind));
            kinds.extend(kind.filter(|kind| !kinds.contains(kind)));
        }
        let search = match name.ends_with('.') {
            true => &[],
            false => self.options.search.as_slice(),
        };
        let few_dots = name.matches('.').count() < self.options.ndots;
        let mut candidates = Vec::new();
        for kind in kinds {
            let bare = (name.to_owned(), kind);
            let bare_last = few_dots && !self.from_hosts.contains(&bare);
            let first = (!bare_last).then(|| bare.clone());
            candidates.extend(first);
            candidates.extend(search.iter().map(|domain| (format!("{name}.{domain}"), kind)));
            candidates.extend(bare_last.then_some(bare));
        }
        candidates
    }

    /// Whether a resolution of `name` without a given type asks for `kind`.
    fn asks_for(&self, name: &str, kind: Kind) -> bool {
        let serves_srv = self.order.contains(&OrderItem::Kind(Kind::Srv));
        !self.options.new_client || (kind == Kind::Srv) == (serves_srv && is_service_name(name))
    }

    /// The answer for exactly this name and type; a stale one is refreshed meanwhile.
    async fn look_up(
        self: &Rc<Self>,
        name: &str,
        kind: Kind,
        cache_only: bool,
        tries: &mut Tries,
    ) -> Result<Rc<Answer>, DnsError> {
        let now = Instant::now();
        let known = self.cache.borrow().answer(name, kind, now).cloned();
        if let Some(answer) = known {
            tries.start(name, Some(kind), "cache-hit");
            if answer.is_stale(now) {
                tries.note("stale");
                self.refresh(name, kind, tries);
            }
            return Ok(answer);
        }
        if cache_only {
            tries.start(name, Some(kind), "cache only lookup failed");
            return Ok(Rc::new(Answer::new(Vec::new(), Some(DnsError::NotCached), now, now)));
        }
        tries.start(name, Some(kind), "cache-miss");
        if self.options.no_sync {
            tries.note("querying");
            return self.ask(name, kind).await;
        }
        self.ask_together(name, kind, tries).await
    }

    fn refresh(self: &Rc<Self>, name: &str, kind: Kind, tries: &mut Tries) {
        let key = (name.to_owned(), kind);
        if self.flights.borrow().contains_key(&key) {
            tries.note("in progress (async)");
            return;
        }
        tries.note("scheduled");
        self.stats.count(name, kind.name(), "stale");
        let inner = self.clone();
        tokio::task::spawn_local(async move {
            let _ = inner.ask_together(&key.0, key.1, &mut Tries::default()).await;
        });
    }

    /// Asks, unless somebody is asking the same already; then waits for that.
    async fn ask_together(&self, name: &str, kind: Kind, tries: &mut Tries) -> Result<Rc<Answer>, DnsError> {
        let key = (name.to_owned(), kind);
        loop {
            let Some(flight) = self.flights.borrow().get(&key).cloned() else {
                break;
            };
            tries.note("in progress (sync)");
            let longest = self.options.timeout * self.options.attempts as u32 + Duration::from_secs(1);
            if timeout(longest, flight.done.notified()).await.is_err() {
                tries.note("error: timeout");
                return Err(DnsError::Exchange("timeout".to_owned()));
            }
            if let Some(result) = flight.result.borrow().clone() {
                return result;
            }
        }
        tries.note("querying");
        let flight = Rc::new(Flight::default());
        self.flights.borrow_mut().insert(key.clone(), flight.clone());
        let _landing = Landing { inner: self, key, flight: &flight };
        let result = self.ask(name, kind).await;
        flight.result.replace(Some(result.clone()));
        result
    }

    async fn ask(&self, name: &str, kind: Kind) -> Result<Rc<Answer>, DnsError> {
        let first = match self.options.rotate {
            true => self.asked.replace(self.asked.get().wrapping_add(1)),
            false => 0,
        };
        let began = Instant::now();
        self.stats.count(name, kind.name(), "query");
        let reply = name_server::ask(&self.options, first, name, kind).await;
        self.stats.note(name, kind.name(), "query_last_time", began.elapsed().as_millis() as u64);
        let outcome = match &reply {
            Err(_) => "query_fail_nameserver".to_owned(),
            Ok(Reply { error: Some(DnsError::Server { text, .. }), .. }) => format!("query_fail:{text}"),
            Ok(reply) if reply.records.is_empty() => "query_fail:empty record received".to_owned(),
            Ok(_) => "query_succ".to_owned(),
        };
        self.stats.count(name, kind.name(), &outcome);
        Ok(self.keep(name, kind, reply?))
    }

    /// Keeps all records of a reply, those of other names and types under their own.
    fn keep(&self, name: &str, kind: Kind, reply: Reply) -> Rc<Answer> {
        let now = Instant::now();
        let owner = name.strip_suffix('.').unwrap_or(name);
        let (wanted, mut others): (Vec<Record>, Vec<Record>) = reply
            .records
            .into_iter()
            .partition(|record| record.kind() == kind && (record.name == owner || self.options.new_client));
        while let Some(first) = others.first() {
            let (name, kind) = (first.name.clone(), first.kind());
            let (same, rest): (Vec<Record>, Vec<Record>) =
                others.into_iter().partition(|record| record.kind() == kind && record.name == name);
            others = rest;
            self.cache.borrow_mut().insert(&name, kind, same, None, now);
            let known = self.cache.borrow().last_success(&name).is_some();
            if !known {
                self.remember_success(&name, kind);
            }
        }
        self.cache.borrow_mut().insert(name, kind, wanted, reply.error, now)
    }
}

/// Ends a flight when its leader ends or is dropped; waiters then take the result or over.
struct Landing<'f> {
    inner: &'f Lookup,
    key: (String, Kind),
    flight: &'f Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.inner.flights.borrow_mut().remove(&self.key);
        self.flight.done.notify_waiters();
    }
}

/// Whether an answer ends the resolution.
fn usable(answer: &Answer, name: &str, asked: Option<Kind>) -> Result<(), DnsError> {
    if let Some(error) = &answer.error {
        return Err(error.clone());
    }
    if answer.records.is_empty() {
        return Err(DnsError::Empty);
    }
    let leads_back = |record: &Record| matches!(&record.data, Data::Srv { target, .. } if target == name);
    if asked != Some(Kind::Srv) && answer.records.iter().all(leads_back) {
        return Err(DnsError::Recursion);
    }
    Ok(())
}
