//! Answers by name and type.
//!
//! Beside the answer for each type a name keeps a *short* answer, the one that a resolution without
//! a given type ended with, and the type that worked last.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::DnsError;
use super::options::DnsOptions;
use super::record::{Answer, Kind, Record};

/// Records from the hosts file and literal addresses: ten years.
pub(super) const FOREVER: u32 = 10 * 365 * 24 * 60 * 60;
/// How many names are looked at to find one to evict.
const EVICTION_SAMPLE: usize = 16;

/// What is known about names.
#[derive(Debug)]
pub(super) struct Cache {
    names: HashMap<Box<str>, Name>,
    size: usize,
    valid_ttl: Option<Duration>,
    stale_ttl: Duration,
    not_found_ttl: Duration,
    error_ttl: Duration,
}

#[derive(Debug, Default)]
struct Name {
    short: Option<Rc<Answer>>,
    answers: Vec<(Kind, Rc<Answer>)>,
    last_success: Option<Kind>,
}

impl Cache {
    pub(super) fn new(options: &DnsOptions) -> Self {
        Self {
            names: HashMap::new(),
            size: options.cache_size.max(1),
            valid_ttl: options.valid_ttl,
            stale_ttl: options.stale_ttl,
            not_found_ttl: options.not_found_ttl,
            error_ttl: options.error_ttl,
        }
    }

    /// The answer a resolution of `name` ended with, fresh or stale.
    pub(super) fn short(&self, name: &str, now: Instant) -> Option<&Rc<Answer>> {
        let answer = self.names.get(name)?.short.as_ref();
        answer.filter(|answer| self.usable(answer, now))
    }

    /// The answer for `name` and `kind`, fresh or stale.
    pub(super) fn answer(&self, name: &str, kind: Kind, now: Instant) -> Option<&Rc<Answer>> {
        let answers = &self.names.get(name)?.answers;
        let (_, answer) = answers.iter().find(|(known, _)| *known == kind)?;
        self.usable(answer, now).then_some(answer)
    }

    pub(super) fn last_success(&self, name: &str) -> Option<Kind> {
        self.names.get(name)?.last_success
    }

    pub(super) fn set_last_success(&mut self, name: &str, kind: Option<Kind>) {
        if kind.is_some() {
            self.name(name).last_success = kind;
        } else if let Some(known) = self.names.get_mut(name) {
            known.last_success = None;
        }
    }

    pub(super) fn set_short(&mut self, name: &str, answer: Rc<Answer>) {
        self.name(name).short = Some(answer);
    }

    /// Keeps what was answered, and returns it.
    ///
    /// *Kong parity*: an error or an empty answer does not replace records that are still usable,
    /// unless the error says that the name does not exist.
    pub(super) fn insert(
        &mut self,
        name: &str,
        kind: Kind,
        records: Vec<Record>,
        error: Option<DnsError>,
        now: Instant,
    ) -> Rc<Answer> {
        let ttl = match &error {
            Some(DnsError::Server { code: 3, .. }) => self.not_found_ttl,
            Some(_) => self.error_ttl,
            None => self.ttl_of(&records),
        };
        let no_such_name = matches!(error, Some(DnsError::Server { code: 3, .. }));
        let keeps_old = records.is_empty() && !no_such_name;
        let answer = Rc::new(Answer::new(records, error, now + ttl, now));
        let known = self.answer(name, kind, now);
        if keeps_old && known.is_some_and(|known| !known.records.is_empty()) {
            return answer;
        }
        let entry = self.name(name);
        match entry.answers.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => *known = answer.clone(),
            None => entry.answers.push((kind, answer.clone())),
        }
        answer
    }

    fn ttl_of(&self, records: &[Record]) -> Duration {
        match (records.iter().map(|record| record.ttl).min(), self.valid_ttl) {
            (None, _) => self.not_found_ttl,
            (Some(_), Some(valid)) => valid,
            (Some(ttl), None) => Duration::from_secs(ttl.into()),
        }
    }

    /// Whether an answer is neither fresh nor stale but gone.
    fn usable(&self, answer: &Answer, now: Instant) -> bool {
        let usable = answer.expires + self.stale_ttl >= now;
        if usable {
            answer.touched.set(now);
        }
        usable
    }

    fn name(&mut self, name: &str) -> &mut Name {
        if !self.names.contains_key(name) && self.names.len() >= self.size {
            self.evict();
        }
        self.names.entry(name.into()).or_default()
    }

    /// Drops the least recently used of a few names.
    fn evict(&mut self) {
        let touched = |name: &Name| {
            let answers = name.answers.iter().map(|(_, answer)| answer);
            answers.chain(&name.short).map(|answer| answer.touched.get()).max()
        };
        let oldest = self.names.iter().take(EVICTION_SAMPLE).min_by_key(|(_, name)| touched(name));
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.names.remove(&key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}
