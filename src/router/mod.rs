//! From a request or connection to its route.
//!
//! [`Compiler`] takes [`RouteSpec`]s, plain data read from routes and services, and makes each into a
//! [`CompiledRoute`]; [`Router::assemble`] makes an immutable router of these that all workers share. A
//! change of one route among many compiles that one only. [`Router::find`] takes a [`MatchInput`], borrowed from
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
mod index;
mod input;
mod pattern;
mod priority;
mod radix;
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

use compiled::{Part, Rule};
use expression::{FieldKey, Hints, Trace};
use index::{Fields, Index};
use input::{Request, Value};
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
    rank: u32,
}

/// An immutable set of routes.
#[derive(Debug, Default)]
pub struct Router {
    flavor: Flavor,
    candidates: Vec<Candidate>,
    /// One for each scheme of the subsystem.
    indexes: Vec<(Scheme, Arc<Index>)>,
    precedence: Precedence,
}

/// A route or a part of one; a router lists them by rank.
#[derive(Debug)]
struct Candidate {
    route: usize,
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
        let parts = |(route, compiled): (usize, &'r CompiledRoute)| {
            compiled.parts.iter().map(move |part| Candidate {
                route,
                part: Arc::clone(part),
                upstream_path: Arc::clone(&compiled.upstream_path),
            })
        };
        let mut candidates: Vec<Candidate> = routes.flat_map(parts).collect();
        candidates.sort_by_cached_key(|candidate| candidate.part.sort_key());
        let mut router = Self { flavor, candidates, ..Self::default() };
        if flavor == Flavor::Traditional {
            let by_rank: Vec<_> = router.candidates.iter().filter_map(Candidate::traditional).collect();
            router.precedence = Precedence::new(&by_rank);
        }
        router.indexes = router.indexes_for(subsystem);
        router
    }

    /// How its routes are written and ordered.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// How many routes, or parts of routes, there are.
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    /// Whether there is no route at all.
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
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
        match &self.candidates.get(found.rank as usize)?.part.rule {
            Rule::Expression { expr, .. } => {
                expr.matches(&Request::new(input)?, Some(&mut trace));
            }
            Rule::Traditional(route) => route.trace(&TraditionalRequest::new(input), &mut trace),
        }
        trace.captures.filter(UriCaptures::has_groups)
    }

    /// How the route changes the path.
    pub fn upstream_path(&self, found: &Match) -> Option<&UpstreamPath> {
        self.candidates.get(found.rank as usize).map(|candidate| &*candidate.upstream_path)
    }

    /// One index for all schemes, unless routes tell them apart.
    fn indexes_for(&self, subsystem: Subsystem) -> Vec<(Scheme, Arc<Index>)> {
        let index_for = |scheme| {
            let hints: Vec<&Hints> = self.candidates.iter().map(|c| c.part.hints(scheme)).collect();
            Arc::new(Index::build(&hints))
        };
        let mut schemes = Scheme::of(subsystem);
        if self.candidates.iter().all(|candidate| candidate.part.is_scheme_blind()) {
            let Some(first) = schemes.next() else { return Vec::new() };
            let index = index_for(first);
            return std::iter::once(first)
                .chain(schemes)
                .map(|scheme| (scheme, Arc::clone(&index)))
                .collect();
        }
        schemes.map(|scheme| (scheme, index_for(scheme))).collect()
    }

    fn find_expression(&self, index: &Index, input: &MatchInput<'_>) -> Option<Match> {
        let request = Request::new(input)?;
        index.candidates(&request).find_map(|rank| {
            let candidate = self.candidates.get(rank as usize)?;
            let Rule::Expression { expr, .. } = &candidate.part.rule else {
                return None;
            };
            if !expr.matches(&request, None) {
                return None;
            }
            let mut trace = Trace::default();
            expr.matches(&request, Some(&mut trace));
            Some(Match { route: candidate.route, path: trace.path, rank })
        })
    }

    /// Collects the matching routes of the first category that has any, and picks the winner.
    fn find_traditional(&self, index: &Index, input: &MatchInput<'_>) -> Option<Match> {
        let request = TraditionalRequest::new(input);
        let route_at = |rank: u32| self.traditional_at(rank);
        let mut matching = SmallVec::<[u32; 8]>::new();
        let mut category = None;
        for rank in index.candidates(&request) {
            let route = self.traditional_at(rank)?;
            if category.is_some_and(|category| category != route.kinds()) {
                break;
            }
            if !route.matches(&request)
                || route.exempt(&request) && self.precedence.skips(route.kinds(), &route_at, &request)
            {
                continue;
            }
            category = Some(route.kinds());
            matching.push(rank);
        }
        let rank = match matching.as_slice() {
            [] => return None,
            [only] => *only,
            several => self.precedence.winner(several, &route_at, &request)?,
        };
        let mut trace = Trace::default();
        self.traditional_at(rank)?.trace(&request, &mut trace);
        let route = self.candidates.get(rank as usize)?.route;
        Some(Match { route, path: trace.path, rank })
    }

    fn traditional_at(&self, rank: u32) -> Option<&TraditionalRoute> {
        self.candidates.get(rank as usize)?.traditional()
    }
}

impl Candidate {
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
