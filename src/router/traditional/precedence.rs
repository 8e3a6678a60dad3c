//! Which of several matching routes of one category wins.
//!
//! For each request and category Kong picks one of its look-up tables, the one with the shortest list
//! of routes (or that of the first header the request has), and tries that list before the whole
//! category. Only when several routes of a category match does this matter, so only then is it
//! computed.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::host::Host;
use super::kind;
use super::path::Path;
use super::request::TraditionalRequest;
use super::route::TraditionalRoute;
use crate::persistent::{Shards, Sorted};
use crate::router::Candidate;
use crate::router::rank::Rank;

/// The look-up tables, reduced to what decides precedence.
#[derive(Debug, Clone, Default)]
pub(in crate::router) struct Precedence {
    /// By kinds of attributes.
    categories: HashMap<u8, Category>,
    plain_hosts: Counts<String>,
    /// By name, the routes that list it and where they do.
    headers: HashMap<String, Sorted<(Place, usize), ()>>,
    methods: Counts<String>,
    snis: Counts<String>,
    wildcard_hosts: Sorted<Place, Arc<Candidate>>,
    regex_paths: Sorted<Place, Arc<Candidate>>,
    /// Paths matched as prefixes, longest first, and how many routes have them.
    prefixes: Sorted<(Reverse<usize>, String), usize>,
}

#[derive(Debug, Clone, Default)]
struct Category {
    routes: usize,
    /// How many routes have a key, the kind of attribute being part of the key.
    sizes: Counts<(u8, String)>,
}

/// How many routes have a key; none that no route has.
type Counts<K> = Shards<K, usize>;

/// The place of a route in its category, then among all.
///
/// *Kong parity*: the tables are filled in the order within categories, whatever the category.
type Place = ([u64; 4], Rank);

impl Precedence {
    /// Notes a route of the traditional flavor, and passes over others.
    pub(in crate::router) fn insert(&mut self, candidate: &Arc<Candidate>) {
        self.change(candidate, true);
    }

    /// Forgets it again.
    pub(in crate::router) fn remove(&mut self, candidate: &Arc<Candidate>) {
        self.change(candidate, false);
    }

    fn change(&mut self, candidate: &Arc<Candidate>, is_new: bool) {
        let Some(route) = candidate.traditional() else { return };
        let [_, order @ ..] = candidate.rank.order;
        let place = (order, candidate.rank);
        self.change_sizes(route, is_new);
        for host in &route.hosts {
            match host {
                Host::Plain(host) => count(&mut self.plain_hosts, host.clone(), is_new),
                Host::Wildcard { .. } => list(&mut self.wildcard_hosts, place, candidate, is_new),
            }
        }
        for (at, header) in route.headers.iter().enumerate() {
            let listed = self.headers.entry(header.name.clone()).or_default();
            list(listed, (place, at), &(), is_new);
            if listed.is_empty() {
                self.headers.remove(&header.name);
            }
        }
        match &route.path {
            Some(Path::Prefix(prefix)) => {
                let key = (Reverse(prefix.len()), prefix.clone());
                let uses = self.prefixes.get(&key).copied().unwrap_or(0);
                let uses = if is_new { uses + 1 } else { uses.saturating_sub(1) };
                list(&mut self.prefixes, key, &uses, uses > 0);
            }
            Some(Path::Regex { .. }) => list(&mut self.regex_paths, place, candidate, is_new),
            None => {}
        }
        route.methods.iter().for_each(|method| count(&mut self.methods, method.clone(), is_new));
        route.snis.iter().for_each(|sni| count(&mut self.snis, sni.clone(), is_new));
    }

    fn change_sizes(&mut self, route: &TraditionalRoute, is_new: bool) {
        let category = self.categories.entry(route.kinds).or_default();
        for (kind, key) in keys(route) {
            count(&mut category.sizes, (kind, key.to_owned()), is_new);
        }
        category.routes = if is_new { category.routes + 1 } else { category.routes.saturating_sub(1) };
        if category.routes == 0 {
            self.categories.remove(&route.kinds);
        }
    }

    /// The winner among `matching`, the matching routes of one category in order.
    pub(in crate::router) fn winner<'r>(
        &self,
        matching: &[&'r Candidate],
        request: &TraditionalRequest<'_>,
    ) -> Option<&'r Candidate> {
        let first = *matching.first()?;
        let category = first.traditional()?.kinds;
        let Some((kind, key)) = self.table(category, request) else {
            return Some(first);
        };
        let listed = |candidate: &&Candidate| {
            let route = candidate.traditional();
            route.is_some_and(|route| keys(route).any(|(other, text)| other == kind && text == key))
        };
        matching.iter().copied().find(listed).or(Some(first))
    }

    /// Whether a request of plain HTTP stops short of `category`, which lists server names.
    ///
    /// *Kong parity*: the search starts at the category of all kinds that any route could match, when
    /// there is one; server names are not among these for plain HTTP.
    pub(in crate::router) fn skips(&self, category: u8, request: &TraditionalRequest<'_>) -> bool {
        let mut reachable = 0;
        let input = &request.input;
        let sni = input.sni.unwrap_or("");
        for (kind, hit) in [
            (kind::HOST, self.host_key(request).is_some()),
            (kind::HEADER, self.headers.keys().any(|name| request.has_header(name))),
            (kind::URI, self.path_key(request).is_some()),
            (kind::METHOD, self.methods.get(input.method).is_some()),
            (kind::SNI, self.snis.get(sni).is_some()),
        ] {
            if hit {
                reachable |= kind;
            }
        }
        let order = |kinds: u8| (kinds.count_ones(), kinds);
        self.categories.contains_key(&reachable) && order(category) > order(reachable)
    }

    /// The table that is tried first in `category`: its kind and the key looked up.
    fn table(&self, category: u8, request: &TraditionalRequest<'_>) -> Option<(u8, String)> {
        let sizes = &self.categories.get(&category)?.sizes;
        let input = &request.input;
        let mut best: Option<(usize, (u8, String))> = None;
        for (kind, key) in [
            (kind::HOST, self.host_key(request)),
            (kind::HEADER, self.header_key(request)),
            (kind::URI, self.path_key(request)),
            (kind::METHOD, Some(input.method.to_owned())),
            (kind::SNI, input.sni.map(str::to_owned)),
        ] {
            let Some(key) = key.filter(|_| category & kind != 0) else {
                continue;
            };
            let entry = (kind, key);
            let Some(&size) = sizes.get(&entry) else {
                continue;
            };
            if kind == kind::HEADER {
                return Some(entry);
            }
            if best.as_ref().is_none_or(|(least, _)| size < *least) {
                best = Some((size, entry));
            }
        }
        best.map(|(_, entry)| entry)
    }

    fn host_key(&self, request: &TraditionalRequest<'_>) -> Option<String> {
        request.input.host?;
        let with_port = format!("{}:{}", request.name, request.port);
        let is_plain = |name: &str| self.plain_hosts.get(name).is_some();
        if is_plain(&with_port) || is_plain(request.name) {
            return Some(request.host.to_owned());
        }
        self.wildcard_hosts.iter().find_map(|(_, candidate)| {
            candidate.traditional()?.hosts.iter().find_map(|host| match host {
                Host::Wildcard { text, .. } if host.matches(request) => Some(text.clone()),
                _ => None,
            })
        })
    }

    /// The first header in the order of the routes that the request has.
    fn header_key(&self, request: &TraditionalRequest<'_>) -> Option<String> {
        let present = self.headers.iter().filter(|(name, _)| request.has_header(name));
        let first = present.filter_map(|(name, listed)| Some((listed.first()?, name))).min();
        first.map(|(_, name)| name.clone())
    }

    /// A regex if any matches, or else the longest prefix.
    fn path_key(&self, request: &TraditionalRequest<'_>) -> Option<String> {
        let path = request.input.path;
        let regex = self.regex_paths.iter().find_map(|(_, candidate)| {
            let regex = candidate.traditional()?.path.as_ref()?;
            regex.matches(path).then(|| regex.text().to_owned())
        });
        let is_its = |(_, prefix): &&(Reverse<usize>, String)| path.starts_with(prefix.as_bytes());
        let prefix = || self.prefixes.iter().map(|(key, _)| key).find(is_its);
        regex.or_else(|| prefix().map(|(_, prefix)| prefix.clone()))
    }
}

impl<'c> FromIterator<&'c Arc<Candidate>> for Precedence {
    fn from_iter<I: IntoIterator<Item = &'c Arc<Candidate>>>(candidates: I) -> Self {
        let mut tables = Self::default();
        candidates.into_iter().for_each(|candidate| tables.insert(candidate));
        tables
    }
}

/// Counts a route more that has a key, or one less.
fn count<K: Hash + Eq + Clone>(counts: &mut Counts<K>, key: K, is_new: bool) {
    let uses = counts.get(&key).copied().unwrap_or(0);
    match if is_new { uses + 1 } else { uses.saturating_sub(1) } {
        0 => drop(counts.remove(&key)),
        uses => drop(counts.insert(key, uses)),
    }
}

/// Has a key listed with a value, or no longer listed.
fn list<K: Ord + Clone, V: Clone>(listed: &mut Sorted<K, V>, key: K, value: &V, is_listed: bool) {
    match is_listed {
        true => drop(listed.insert(key, value.clone())),
        false => drop(listed.remove(&key)),
    }
}

/// The keys under which the tables list a route.
fn keys(route: &TraditionalRoute) -> impl Iterator<Item = (u8, &str)> {
    let hosts = route.hosts.iter().map(|host| match host {
        Host::Plain(text) | Host::Wildcard { text, .. } => (kind::HOST, text.as_str()),
    });
    let headers = route.headers.iter().map(|header| (kind::HEADER, header.name.as_str()));
    let paths = route.path.iter().map(|path| (kind::URI, path.text()));
    let methods = route.methods.iter().map(|method| (kind::METHOD, method.as_str()));
    let snis = route.snis.iter().map(|sni| (kind::SNI, sni.as_str()));
    hosts.chain(headers).chain(paths).chain(methods).chain(snis)
}
