//! What was asked of the resolver, and what came of it: `kong.dns.stats()`, `/status/dns`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// What was asked for: a name, and the name of a type.
type Asked = (String, &'static str);

/// Counters by what was asked for.
///
/// *Cost*: a look-up that the cache answers at once ([`super::Resolver::cached`]) is not counted: nothing is paid for.
#[derive(Debug, Default)]
pub(super) struct Stats {
    counters: RefCell<HashMap<Asked, BTreeMap<String, u64>>>,
    most: usize,
}

impl Stats {
    /// Counters of at most so many names; when there would be more, counting begins anew.
    pub(super) fn new(most: usize) -> Stats {
        Stats { counters: RefCell::default(), most }
    }

    pub(super) fn count(&self, name: &str, kind: &'static str, what: &str) {
        self.change(name, kind, what, |counter| *counter += 1);
    }

    pub(super) fn note(&self, name: &str, kind: &'static str, what: &str, value: u64) {
        self.change(name, kind, what, |counter| *counter = value);
    }

    fn change(&self, name: &str, kind: &'static str, what: &str, change: impl FnOnce(&mut u64)) {
        let mut counters = self.counters.borrow_mut();
        if counters.len() >= self.most && !counters.contains_key(&(name.to_owned(), kind)) {
            counters.clear();
        }
        let of_name = counters.entry((name.to_owned(), kind)).or_default();
        change(of_name.entry(what.to_owned()).or_default());
    }

    /// All counters, by `name|TYPE`.
    pub(super) fn all(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let text = |(name, kind): &Asked| format!("{name}|{kind}");
        self.counters.borrow().iter().map(|(key, counters)| (text(key), counters.clone())).collect()
    }
}
