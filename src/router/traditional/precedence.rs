//! Which of several matching routes of one category wins.
//!
//! For each request and category Kong picks one of its look-up tables, the one with the shortest list
//! of routes (or that of the first header the request has), and tries that list before the whole
//! category. Only when several routes of a category match does this matter, so only then is it
//! computed.

use std::collections::{HashMap, HashSet};

use super::host::Host;
use super::kind;
use super::path::Path;
use super::request::TraditionalRequest;
use super::route::TraditionalRoute;

/// The look-up tables, reduced to what decides precedence.
#[derive(Debug, Default)]
pub(in crate::router) struct Precedence {
    /// By category: how many routes have a key, the kind of attribute being part of the key.
    sizes: HashMap<u8, HashMap<(u8, String), usize>>,
    plain_hosts: HashSet<String>,
    headers: Vec<String>,
    methods: HashSet<String>,
    snis: HashSet<String>,
    /// Ranks of routes with wildcard hosts, and with regex paths.
    wildcard_hosts: Vec<usize>,
    regex_paths: Vec<usize>,
    /// Paths matched as prefixes, longest first.
    prefixes: Vec<String>,
}

impl Precedence {
    /// Reads the routes, listed by rank.
    ///
    /// *Kong parity*: the tables are filled in the order within categories, whatever the category.
    pub(in crate::router) fn new(routes: &[&TraditionalRoute]) -> Self {
        let mut tables = Self::default();
        let mut sorted: Vec<(usize, &TraditionalRoute)> = routes.iter().copied().enumerate().collect();
        sorted.sort_by_key(|(_, route)| route.order());
        for (rank, route) in sorted {
            tables.add(rank, route);
        }
        tables.prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        tables.prefixes.dedup();
        tables
    }

    fn add(&mut self, rank: usize, route: &TraditionalRoute) {
        let sizes = self.sizes.entry(route.kinds).or_default();
        for (kind, key) in keys(route) {
            *sizes.entry((kind, key.to_owned())).or_default() += 1;
        }
        for host in &route.hosts {
            match host {
                Host::Plain(host) => drop(self.plain_hosts.insert(host.clone())),
                Host::Wildcard { .. } => self.wildcard_hosts.push(rank),
            }
        }
        for header in &route.headers {
            if !self.headers.contains(&header.name) {
                self.headers.push(header.name.clone());
            }
        }
        match &route.path {
            Some(Path::Prefix(prefix)) => self.prefixes.push(prefix.clone()),
            Some(Path::Regex { .. }) => self.regex_paths.push(rank),
            None => {}
        }
        self.methods.extend(route.methods.iter().cloned());
        self.snis.extend(route.snis.iter().cloned());
    }

    /// The winner among `matching`, the ranks of the matching routes of one category in order.
    pub(in crate::router) fn winner<'r>(
        &self,
        matching: &[u32],
        route: &dyn Fn(u32) -> Option<&'r TraditionalRoute>,
        request: &TraditionalRequest<'_>,
    ) -> Option<u32> {
        let first = *matching.first()?;
        let category = route(first)?.kinds;
        let Some((kind, key)) = self.table(category, route, request) else {
            return Some(first);
        };
        let listed = |rank: &u32| {
            route(*rank).is_some_and(|route| keys(route).any(|(other, text)| other == kind && text == key))
        };
        matching.iter().copied().find(listed).or(Some(first))
    }

    /// Whether a request of plain HTTP stops short of `category`, which lists server names.
    ///
    /// *Kong parity*: the search starts at the category of all kinds that any route could match, when
    /// there is one; server names are not among these for plain HTTP.
    pub(in crate::router) fn skips<'r>(
        &self,
        category: u8,
        route: &dyn Fn(u32) -> Option<&'r TraditionalRoute>,
        request: &TraditionalRequest<'_>,
    ) -> bool {
        let mut reachable = 0;
        let input = &request.input;
        let sni = input.sni.unwrap_or("");
        for (kind, hit) in [
            (kind::HOST, self.host_key(route, request).is_some()),
            (kind::HEADER, self.headers.iter().any(|name| request.has_header(name))),
            (kind::URI, self.path_key(route, request).is_some()),
            (kind::METHOD, self.methods.contains(input.method)),
            (kind::SNI, self.snis.contains(sni)),
        ] {
            if hit {
                reachable |= kind;
            }
        }
        let order = |kinds: u8| (kinds.count_ones(), kinds);
        self.sizes.contains_key(&reachable) && order(category) > order(reachable)
    }

    /// The table that is tried first in `category`: its kind and the key looked up.
    fn table<'r>(
        &self,
        category: u8,
        route: &dyn Fn(u32) -> Option<&'r TraditionalRoute>,
        request: &TraditionalRequest<'_>,
    ) -> Option<(u8, String)> {
        let sizes = self.sizes.get(&category)?;
        let input = &request.input;
        let header = self.headers.iter().find(|name| request.has_header(name));
        let mut best: Option<(usize, (u8, String))> = None;
        for (kind, key) in [
            (kind::HOST, self.host_key(route, request)),
            (kind::HEADER, header.cloned()),
            (kind::URI, self.path_key(route, request)),
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

    fn host_key<'r>(
        &self,
        route: &dyn Fn(u32) -> Option<&'r TraditionalRoute>,
        request: &TraditionalRequest<'_>,
    ) -> Option<String> {
        request.input.host?;
        let with_port = format!("{}:{}", request.name, request.port);
        if self.plain_hosts.contains(&with_port) || self.plain_hosts.contains(request.name) {
            return Some(request.host.to_owned());
        }
        self.wildcard_hosts.iter().find_map(|&rank| {
            route(rank as u32)?.hosts.iter().find_map(|host| match host {
                Host::Wildcard { text, .. } if host.matches(request) => Some(text.clone()),
                _ => None,
            })
        })
    }

    /// A regex if any matches, or else the longest prefix.
    fn path_key<'r>(
        &self,
        route: &dyn Fn(u32) -> Option<&'r TraditionalRoute>,
        request: &TraditionalRequest<'_>,
    ) -> Option<String> {
        let path = request.input.path;
        let regex = self.regex_paths.iter().find_map(|&rank| {
            let candidate = route(rank as u32)?.path.as_ref()?;
            candidate.matches(path).then(|| candidate.text().to_owned())
        });
        let prefix = || self.prefixes.iter().find(|prefix| path.starts_with(prefix.as_bytes()));
        regex.or_else(|| prefix().cloned())
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
