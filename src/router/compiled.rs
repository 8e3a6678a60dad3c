//! Routes in the form the router evaluates, each on its own: what one router may hand on to the next.

use std::sync::Arc;

use uuid::Uuid;

use super::RouteError;
use super::expression::{Expr, Hints};
use super::input::Scheme;
use super::rank::{Order, descending};
use super::spec::{Flavor, PathHandling, RouteSpec, Subsystem};
use super::traditional::TraditionalRoute;
use super::transform::{self, Patterns};
use super::upstream_path::UpstreamPath;

/// A compiled route, regexes and all.
///
/// *Invariant*: depends on its [`RouteSpec`] but for the index, and on the router's flavor and subsystem.
#[derive(Debug)]
pub struct CompiledRoute {
    pub(super) id: Uuid,
    pub(super) parts: Vec<Arc<Part>>,
    pub(super) upstream_path: Arc<UpstreamPath>,
}

/// A route or a part of one, as it is tried.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) rule: Rule,
    hints: PartHints,
}

#[derive(Debug)]
pub(super) enum Rule {
    Expression { expr: Expr, priority: u64, id: Uuid },
    Traditional(Box<TraditionalRoute>),
}

/// What the index may rely on: mostly the same whatever the scheme.
#[derive(Debug)]
enum PartHints {
    Any(Hints),
    ByScheme(Vec<(Scheme, Hints)>),
}

/// Compiles routes for one router.
#[derive(Debug)]
pub struct Compiler {
    flavor: Flavor,
    subsystem: Subsystem,
    patterns: Patterns,
}

impl Compiler {
    /// For routers of this flavor and subsystem.
    pub fn new(flavor: Flavor, subsystem: Subsystem) -> Compiler {
        Compiler { flavor, subsystem, patterns: Patterns::default() }
    }

    /// Compiles a route; one of another subsystem has no parts.
    ///
    /// *Errors*: why the route cannot be used.
    /// *Cost*: about 5 µs; regexes are compiled later, when first needed.
    pub fn compile(&mut self, spec: &RouteSpec) -> Result<CompiledRoute, RouteError> {
        let rules = match spec.protocols.iter().any(|protocol| protocol.subsystem() == self.subsystem) {
            true => self.rules(spec),
            false => Ok(Vec::new()),
        };
        let rules = rules.map_err(|reason| RouteError { id: spec.id, index: spec.index, reason })?;
        let handling = match self.flavor {
            Flavor::Traditional => spec.path_handling,
            _ => PathHandling::V0,
        };
        let base = spec.service_path.as_deref().unwrap_or("/").into();
        Ok(CompiledRoute {
            id: spec.id,
            parts: rules.into_iter().map(|rule| Arc::new(Part::new(rule, self.subsystem))).collect(),
            upstream_path: Arc::new(UpstreamPath { base, strip: spec.strip_path, handling }),
        })
    }

    fn rules(&mut self, spec: &RouteSpec) -> Result<Vec<Rule>, String> {
        if self.flavor != Flavor::Traditional {
            let units = transform::units(spec, self.flavor, self.subsystem, &mut self.patterns)?.into_iter();
            let rule = |unit: transform::Unit| Rule::Expression {
                expr: unit.expr,
                priority: unit.priority,
                id: unit.id,
            };
            return Ok(units.map(rule).collect());
        }
        let paths: Vec<Option<&String>> = match spec.paths.as_slice() {
            [] => vec![None],
            paths => paths.iter().map(Some).collect(),
        };
        let rule = |path| TraditionalRoute::new(spec, path).map(|route| Rule::Traditional(Box::new(route)));
        paths.into_iter().map(rule).collect()
    }
}

impl Part {
    fn new(rule: Rule, subsystem: Subsystem) -> Part {
        let of = |scheme| match &rule {
            Rule::Expression { expr, .. } => expr.hints(scheme),
            Rule::Traditional(route) => route.hints(scheme),
        };
        let mut hints: Vec<(Scheme, Hints)> =
            Scheme::of(subsystem).map(|scheme| (scheme, of(scheme))).collect();
        let is_one = hints.windows(2).all(|pair| matches!(pair, [(_, one), (_, other)] if one == other));
        let hints = match hints.pop().filter(|_| is_one) {
            Some((_, hints)) => PartHints::Any(hints),
            None => PartHints::ByScheme(Scheme::of(subsystem).map(|scheme| (scheme, of(scheme))).collect()),
        };
        Part { rule, hints }
    }

    /// What every matching request of `scheme` has.
    pub(super) fn hints(&self, scheme: Scheme) -> &Hints {
        match &self.hints {
            PartHints::Any(hints) => hints,
            PartHints::ByScheme(hints) => {
                hints.iter().find(|(other, _)| *other == scheme).map_or(&Hints::Never, |(_, hints)| hints)
            }
        }
    }

    /// Whether that is the same for all schemes.
    pub(super) fn is_scheme_blind(&self) -> bool {
        matches!(self.hints, PartHints::Any(_))
    }

    /// What sorts parts as they are tried, and what breaks ties for a part of the route with this id.
    ///
    /// *Kong parity*: outside the traditional flavor the greater id wins.
    pub(super) fn order(&self, route: Uuid) -> (Order, u128) {
        match &self.rule {
            Rule::Expression { priority, id, .. } => ([descending(*priority), 0, 0, 0, 0], !id.as_u128()),
            Rule::Traditional(traditional) => (traditional.order(), route.as_u128()),
        }
    }
}
