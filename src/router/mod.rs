//! From a request or connection to its route.
//!
//! [`Compiler`] takes [`RouteSpec`]s, plain data read from routes and services, and makes each into a
//! [`CompiledRoute`]; [`Router::assemble`] makes an immutable router of these that all workers share. A
//! change of one route among many compiles that one only, and changes a copy of the router that shares all the rest
//! with it ([`Router::insert`], [`Router::remove`]). [`Router::find`] takes a [`MatchInput`], borrowed from
//! the request, and answers with the first route that matches in order of priority.
//!
//! All flavors use one [`index`], which narrows all routes down to a few candidates; each candidate
//! is then evaluated in full. They differ in what a candidate is and how candidates are ordered:
//!
//! - `traditional_compatible`: routes become expressions ([`transform`]) with a 64-bit [`priority`];
//!   ties go to the greater id
//! - `expressions`: routes bring an [`expression`] and a priority, or are translated as above
//! - [`traditional`]: categories of attributes; ties go to the older route
//!
//! What a match means for the request (the path that goes upstream, the forwarded prefix) is in
//! [`upstream_path`]. Whether a protocol mismatch becomes a redirect is the proxy's business.
//!
//! *Kong parity*: Kong keeps results in an LRU cache of requests. The index makes a miss as cheap as
//! a hit, so there is no cache here, and nothing to flood.

mod captures;
mod compiled;
#[cfg(test)]
mod differential;
pub mod expression;
#[cfg(test)]
mod incremental;
mod index;
mod input;
mod pattern;
mod priority;
mod radix;
mod rank;
mod spec;
#[cfg(test)]
mod tests;
mod traditional;
mod transform;
mod upstream_path;

pub use captures::UriCaptures;
pub use compiled::{CompiledRoute, Compiler};
pub use expression::PathPart;
pub use input::{MatchInput, RequestFields, Scheme};
pub use pattern::Pattern;
pub use spec::{Cidr, Endpoint, Flavor, PathHandling, Protocol, RouteSpec, Subsystem};
pub use upstream_path::UpstreamPath;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::persistent::Slots;
use compiled::{Part, Rule};
use expression::{FieldKey, Trace};
use index::{Fields, Index};
use input::{Request, Value};
use rank::Rank;
use traditional::{Precedence, TraditionalRequest, TraditionalRoute};

/// Why a route cannot be used. The router is built without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not add route: {id}, err: {reason}")]
pub struct RouteError {
    /// The id of the route.
    pub id: uuid::Uuid,
    /// Its [`RouteSpec::index`].
    pub index: usize,
    /// What is wrong.
    pub reason: String,
}

/// The answer of [`Router::find`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The [`RouteSpec::index`] of the route.
    pub route: usize,
    /// The part of the path that the route matched, if it matches by path.
    pub path: Option<PathPart>,
    part: usize,
}

/// A set of routes. A copy shares everything with the original; what is changed in it then is changed there only.
#[derive(Debug, Clone, Default)]
pub struct Router {
    flavor: Flavor,
    subsystem: Subsystem,
    /// The parts of each route, by its number.
    routes: Slots<Arc<[Arc<Candidate>]>>,
    /// One for each scheme of the subsystem.
    indexes: Vec<(Scheme, Index)>,
    /// Whether some routes are told apart by their schemes, so that the indexes differ.
    by_scheme: bool,
    precedence: Precedence,
}

/// A route or a part of one.
#[derive(Debug)]
struct Candidate {
    rank: Rank,
    part: Arc<Part>,
    upstream_path: Arc<UpstreamPath>,
}

impl Router {
    /// Builds a router of the routes of `subsystem`, and lists those that cannot be used.
    pub fn build(flavor: Flavor, subsystem: Subsystem, specs: &[RouteSpec]) -> (Self, Vec<RouteError>) {
        let mut compiler = Compiler::new(flavor, subsystem);
        let mut routes = Vec::with_capacity(specs.len());
        let mut errors = Vec::new();
        for spec in specs {
            match compiler.compile(spec) {
                Ok(route) => routes.push((spec.index, route)),
                Err(error) => errors.push(error),
            }
        }
        let routes = routes.iter().map(|(index, route)| (*index, route));
        (Self::assemble(flavor, subsystem, routes), errors)
    }

    /// Puts routes together that were compiled for this flavor and subsystem; each comes with the number
    /// that [`Match::route`] is to have.
    ///
    /// *Cost*: about 2 µs a route, nearly all of it for the index.
    pub fn assemble<'r>(
        flavor: Flavor,
        subsystem: Subsystem,
        routes: impl Iterator<Item = (usize, &'r CompiledRoute)>,
    ) -> Self {
        let routes = routes.map(|(route, compiled)| (route, Candidate::of(route, compiled)));
        let mut router = Self { flavor, subsystem, ..Self::default() };
        for (route, parts) in routes {
            router.routes.set(route, Some(parts));
        }
        router.index();
        router
    }

    /// Adds a route that was compiled for this flavor and subsystem, in the place of the one with this number.
    ///
    /// *Cost*: some microseconds, whatever the number of routes; that of [`Router::assemble`] for the first route that
    /// only some schemes have.
    pub fn insert(&mut self, route: usize, compiled: &CompiledRoute) {
        self.remove(route);
        let parts = Candidate::of(route, compiled);
        self.routes.set(route, Some(Arc::clone(&parts)));
        if !self.by_scheme && !parts.iter().all(|candidate| candidate.part.is_scheme_blind()) {
            self.index();
            return;
        }
        for candidate in parts.iter() {
            self.each_index(|index| index.insert(candidate));
            self.precedence.insert(candidate);
        }
    }

    /// How many routes are looked at to find that of a request.
    #[cfg(test)]
    fn tried(&self, fields: &dyn Fields) -> usize {
        self.indexes.first().map_or(0, |(_, index)| index.candidates(fields).count())
    }

    /// Puts routes in the place of others, or of none, by their numbers.
    ///
    /// *Cost*: that of the changes, as long as they are few among all.
    pub fn change(&mut self, changes: Vec<(usize, Option<CompiledRoute>)>) {
        if changes.len() < self.routes.len() / 8 {
            for (route, compiled) in changes {
                match compiled {
                    Some(compiled) => self.insert(route, &compiled),
                    None => self.remove(route),
                }
            }
            return;
        }
        for (route, compiled) in changes {
            self.routes.set(route, compiled.map(|compiled| Candidate::of(route, &compiled)));
        }
        self.index();
    }

    /// Takes the route with this number out, if there is one.
    ///
    /// *Cost*: some microseconds.
    pub fn remove(&mut self, route: usize) {
        let Some(parts) = self.routes.set(route, None) else { return };
        for candidate in parts.iter() {
            self.each_index(|index| index.remove(candidate));
            self.precedence.remove(candidate);
        }
    }

    /// Whether the two have the very same compiled route by this number.
    #[cfg(test)]
    pub(crate) fn shares(&self, other: &Self, route: usize) -> bool {
        let parts = |router: &Self| router.routes.get(route).cloned();
        matches!((parts(self), parts(other)), (Some(one), Some(other)) if Arc::ptr_eq(&one, &other))
    }

    /// How its routes are written and ordered.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// How many routes, or parts of routes, there are.
    pub fn len(&self) -> usize {
        self.routes.iter().map(|parts| parts.len()).sum()
    }

    /// Whether there is no route at all.
    pub fn is_empty(&self) -> bool {
        self.routes.iter().all(|parts| parts.is_empty())
    }

    /// The route for `input`.
    ///
    /// *Kong parity*: outside the traditional flavor a path that is no UTF-8 has no route.
    /// *Cost*: allocates nothing, except to lower-case values that hold upper case where a route asks
    /// for `lower()`, and what a regex needs on its first use in a thread.
    pub fn find(&self, input: &MatchInput<'_>) -> Option<Match> {
        let (_, index) = self.indexes.iter().find(|(scheme, _)| *scheme == input.scheme)?;
        match self.flavor {
            Flavor::Traditional => self.find_traditional(index, input),
            _ => self.find_expression(index, input),
        }
    }

    /// What the groups of regexes captured, if there are groups.
    ///
    /// Computed on demand from the request that [`Router::find`] matched.
    pub fn captures(&self, found: &Match, input: &MatchInput<'_>) -> Option<UriCaptures> {
        let mut trace = Trace { path: None, captures: Some(UriCaptures::default()) };
        match &self.candidate(found)?.part.rule {
            Rule::Expression { expr, .. } => {
                expr.matches(&Request::new(input)?, Some(&mut trace));
            }
            Rule::Traditional(route) => route.trace(&TraditionalRequest::new(input), &mut trace),
        }
        trace.captures.filter(UriCaptures::has_groups)
    }

    /// How the route changes the path.
    pub fn upstream_path(&self, found: &Match) -> Option<&UpstreamPath> {
        self.candidate(found).map(|candidate| &*candidate.upstream_path)
    }

    fn candidate(&self, found: &Match) -> Option<&Candidate> {
        self.routes.get(found.route)?.get(found.part).map(|candidate| &**candidate)
    }

    /// Makes all indexes anew: one for all schemes, unless routes tell them apart.
    fn index(&mut self) {
        let all = self.candidates();
        self.by_scheme = !all.iter().all(|candidate| candidate.part.is_scheme_blind());
        self.precedence = all.iter().collect();
        self.indexes.clear();
        for scheme in Scheme::of(self.subsystem) {
            let known = self.indexes.first().filter(|_| !self.by_scheme);
            let index = known.map_or_else(|| Index::build(scheme, all.clone()), |(_, index)| index.clone());
            self.indexes.push((scheme, index));
        }
    }

    /// By rank.
    fn candidates(&self) -> Vec<Arc<Candidate>> {
        let mut all: Vec<Arc<Candidate>> =
            self.routes.iter().flat_map(|parts| parts.iter().cloned()).collect();
        all.sort_by_key(|candidate| candidate.rank);
        all
    }

    fn each_index(&mut self, mut edit: impl FnMut(&mut Index)) {
        if self.by_scheme {
            return self.indexes.iter_mut().for_each(|(_, index)| edit(index));
        }
        let Some(((_, first), others)) = self.indexes.split_first_mut() else { return };
        edit(first);
        others.iter_mut().for_each(|(_, index)| *index = first.clone());
    }

    fn find_expression(&self, index: &Index, input: &MatchInput<'_>) -> Option<Match> {
        let request = Request::new(input)?;
        index.candidates(&request).find_map(|candidate| {
            let Rule::Expression { expr, .. } = &candidate.part.rule else {
                return None;
            };
            if !expr.matches(&request, None) {
                return None;
            }
            let mut trace = Trace::default();
            expr.matches(&request, Some(&mut trace));
            Some(candidate.matched(trace))
        })
    }

    /// Collects the matching routes of the first category that has any, and picks the winner.
    fn find_traditional(&self, index: &Index, input: &MatchInput<'_>) -> Option<Match> {
        let request = TraditionalRequest::new(input);
        let mut matching = SmallVec::<[&Candidate; 8]>::new();
        let mut category = None;
        for candidate in index.candidates(&request) {
            let route = candidate.traditional()?;
            if category.is_some_and(|category| category != route.kinds()) {
                break;
            }
            if !route.matches(&request)
                || route.exempt(&request) && self.precedence.skips(route.kinds(), &request)
            {
                continue;
            }
            category = Some(route.kinds());
            matching.push(candidate);
        }
        let winner = match matching.as_slice() {
            [] => return None,
            [only] => *only,
            several => self.precedence.winner(several, &request)?,
        };
        let mut trace = Trace::default();
        winner.traditional()?.trace(&request, &mut trace);
        Some(winner.matched(trace))
    }
}

impl Candidate {
    /// The parts of a route with this number.
    fn of(route: usize, compiled: &CompiledRoute) -> Arc<[Arc<Candidate>]> {
        let parts = compiled.parts.iter().enumerate();
        let candidate = |(number, part): (usize, &Arc<Part>)| {
            let (order, id) = part.order(compiled.id);
            Arc::new(Candidate {
                rank: Rank { order, id, route, part: number },
                part: Arc::clone(part),
                upstream_path: Arc::clone(&compiled.upstream_path),
            })
        };
        parts.map(candidate).collect()
    }

    fn matched(&self, trace: Trace) -> Match {
        Match { route: self.rank.route, path: trace.path, part: self.rank.part }
    }

    fn traditional(&self) -> Option<&TraditionalRoute> {
        match &self.part.rule {
            Rule::Traditional(route) => Some(route),
            Rule::Expression { .. } => None,
        }
    }
}

impl Fields for Request<'_> {
    fn each_value(&self, key: &FieldKey, visit: &mut dyn FnMut(Value<'_>) -> bool) {
        Request::each_value(self, &key.field, key.lower, visit);
    }
}
