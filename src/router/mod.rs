//! From a request or connection to its route.
//!
//! [`Router::build`] takes [`RouteSpec`]s, plain data read from routes and services, and makes an
//! immutable router that all workers share. [`Router::find`] takes a [`MatchInput`], borrowed from
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
pub use expression::PathPart;
pub use input::{MatchInput, RequestFields, Scheme};
pub use pattern::Pattern;
pub use spec::{Cidr, Endpoint, Flavor, PathHandling, Protocol, RouteSpec, Subsystem};
pub use upstream_path::UpstreamPath;

use smallvec::SmallVec;

use expression::{Expr, FieldKey, Hints, Trace};
use index::{Fields, Index};
use input::{Request, Value};
use traditional::{Precedence, TraditionalRequest, TraditionalRoute};
use transform::{Patterns, Unit};

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
    indexes: Vec<(Scheme, Index)>,
    precedence: Precedence,
}

/// A route or a part of one; a router lists them by rank.
#[derive(Debug)]
struct Candidate {
    route: usize,
    rule: Rule,
    upstream_path: UpstreamPath,
}

#[derive(Debug)]
enum Rule {
    Expression(Expr),
    Traditional(Box<TraditionalRoute>),
}

impl Router {
    /// Builds a router of the routes of `subsystem`, and lists those that cannot be used.
    ///
    /// *Cost*: about 10 µs a route; regexes are compiled later, when first needed.
    pub fn build(flavor: Flavor, subsystem: Subsystem, specs: &[RouteSpec]) -> (Self, Vec<RouteError>) {
        let served =
            |spec: &&RouteSpec| spec.protocols.iter().any(|protocol| protocol.subsystem() == subsystem);
        let specs = specs.iter().filter(served);
        let mut errors = Vec::new();
        let mut router =
            Self { flavor, candidates: Vec::new(), indexes: Vec::new(), precedence: Precedence::default() };
        match flavor {
            Flavor::Traditional => router.add_traditional(specs, &mut errors),
            _ => router.add_expressions(specs, subsystem, &mut errors),
        }
        let in_subsystem = |scheme: &Scheme| match scheme {
            Scheme::Http | Scheme::Https => subsystem == Subsystem::Http,
            Scheme::Tcp | Scheme::Tls | Scheme::Udp => subsystem == Subsystem::Stream,
        };
        let schemes = Scheme::ALL.into_iter().filter(in_subsystem);
        router.indexes = schemes.map(|scheme| (scheme, router.index_for(scheme))).collect();
        (router, errors)
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
        match &self.candidates.get(found.rank as usize)?.rule {
            Rule::Expression(expr) => {
                expr.matches(&Request::new(input)?, Some(&mut trace));
            }
            Rule::Traditional(route) => route.trace(&TraditionalRequest::new(input), &mut trace),
        }
        trace.captures.filter(UriCaptures::has_groups)
    }

    /// How the route changes the path.
    pub fn upstream_path(&self, found: &Match) -> Option<&UpstreamPath> {
        self.candidates.get(found.rank as usize).map(|candidate| &candidate.upstream_path)
    }

    fn add_expressions<'s>(
        &mut self,
        specs: impl Iterator<Item = &'s RouteSpec>,
        subsystem: Subsystem,
        errors: &mut Vec<RouteError>,
    ) {
        let mut patterns = Patterns::default();
        let mut units: Vec<(&RouteSpec, Unit)> = Vec::new();
        for spec in specs {
            match transform::units(spec, self.flavor, subsystem, &mut patterns) {
                Ok(parts) => units.extend(parts.into_iter().map(|part| (spec, part))),
                Err(reason) => errors.push(route_error(spec, reason)),
            }
        }
        units.sort_by_key(|(_, unit)| std::cmp::Reverse((unit.priority, unit.id)));
        let candidate = |(spec, unit): (&RouteSpec, Unit)| self.candidate(spec, Rule::Expression(unit.expr));
        self.candidates = units.into_iter().map(candidate).collect();
    }

    fn add_traditional<'s>(
        &mut self,
        specs: impl Iterator<Item = &'s RouteSpec>,
        errors: &mut Vec<RouteError>,
    ) {
        let mut routes: Vec<(&RouteSpec, TraditionalRoute)> = Vec::new();
        for spec in specs {
            let paths: Vec<Option<&String>> = match spec.paths.as_slice() {
                [] => vec![None],
                paths => paths.iter().map(Some).collect(),
            };
            let parts: Result<Vec<_>, _> =
                paths.into_iter().map(|path| TraditionalRoute::new(spec, path)).collect();
            match parts {
                Ok(parts) => routes.extend(parts.into_iter().map(|part| (spec, part))),
                Err(reason) => errors.push(route_error(spec, reason)),
            }
        }
        routes.sort_by_key(|(_, route)| route.sort_key());
        let by_rank: Vec<&TraditionalRoute> = routes.iter().map(|(_, route)| route).collect();
        self.precedence = Precedence::new(&by_rank);
        let candidate = |(spec, route)| self.candidate(spec, Rule::Traditional(Box::new(route)));
        self.candidates = routes.into_iter().map(candidate).collect();
    }

    fn candidate(&self, spec: &RouteSpec, rule: Rule) -> Candidate {
        let handling = match self.flavor {
            Flavor::Traditional => spec.path_handling,
            _ => PathHandling::V0,
        };
        Candidate {
            route: spec.index,
            rule,
            upstream_path: UpstreamPath {
                base: spec.service_path.as_deref().unwrap_or("/").into(),
                strip: spec.strip_path,
                handling,
            },
        }
    }

    fn index_for(&self, scheme: Scheme) -> Index {
        let hints: Vec<Hints> = self
            .candidates
            .iter()
            .map(|candidate| match &candidate.rule {
                Rule::Expression(expr) => expr.hints(scheme),
                Rule::Traditional(route) => route.hints(scheme),
            })
            .collect();
        Index::build(&hints)
    }

    fn find_expression(&self, index: &Index, input: &MatchInput<'_>) -> Option<Match> {
        let request = Request::new(input)?;
        index.candidates(&request).find_map(|rank| {
            let candidate = self.candidates.get(rank as usize)?;
            let Rule::Expression(expr) = &candidate.rule else {
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
        match &self.candidates.get(rank as usize)?.rule {
            Rule::Traditional(route) => Some(route),
            Rule::Expression(_) => None,
        }
    }
}

impl Fields for Request<'_> {
    fn each_value(&self, key: &FieldKey, visit: &mut dyn FnMut(Value<'_>) -> bool) {
        Request::each_value(self, &key.field, key.lower, visit);
    }
}

fn route_error(spec: &RouteSpec, reason: String) -> RouteError {
    RouteError { id: spec.id, index: spec.index, reason }
}
