//! Which plugins run for which route.
//!
//! For each route the plan lists, in execution order, the plugin kinds that may run and the instance
//! that wins while no consumer is known. A kind that also has instances bound to a consumer is marked:
//! only then is there anything to look up once a consumer has been authenticated.
//!
//! *Kong parity*: precedence for one plugin is route+service+consumer, route+consumer,
//! service+consumer, route+service, consumer, route, service, global.

use super::{Plugin, PluginKind, Route};
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One plugin kind in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Index of the kind.
    pub kind: usize,
    /// Index of the instance that runs while no consumer is known.
    pub plugin: Option<usize>,
    /// Whether a consumer may bring another instance.
    pub by_consumer: bool,
}

/// The plugins of one route, or of requests that matched none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Kinds in execution order.
    pub steps: Vec<Step>,
    /// [`crate::phase::Phase`] bits of all phases that any of them has.
    pub phases: u32,
}

/// The plans of a snapshot.
#[derive(Debug, Default)]
pub struct Plans {
    routes: Vec<Arc<Plan>>,
    global: Arc<Plan>,
    instances: Instances,
}

/// Plugin instances by what they are bound to: those that are bound to a consumer, and others.
#[derive(Debug, Default)]
struct Instances {
    of_all: ByPlace,
    of_consumers: HashMap<Arc<str>, ByPlace, RandomState>,
}

/// Instances by their kind, route and service.
type ByPlace = HashMap<(usize, Option<usize>, Option<usize>), usize, RandomState>;

impl Plans {
    /// The plans of all `routes`; `kinds` stand in execution order.
    ///
    /// *Cost*: routes that no plugin names share one plan per service.
    pub fn build(routes: &[Arc<Route>], kinds: &[PluginKind], plugins: &[Plugin]) -> Plans {
        let instances = Instances::of(plugins);
        let scoped_routes: HashSet<usize> = plugins.iter().filter_map(|p| p.scope.route).collect();
        let mut shared: HashMap<Option<usize>, Arc<Plan>> = HashMap::new();
        let candidates = Candidates::of(kinds, plugins);
        let mut plans = Plans { routes: Vec::with_capacity(routes.len()), global: Arc::default(), instances };
        plans.global = Arc::new(plans.plan(&candidates, kinds, None, None));
        for (index, route) in routes.iter().enumerate() {
            let plan = if scoped_routes.contains(&index) {
                Arc::new(plans.plan(&candidates, kinds, Some(index), route.service))
            } else {
                let make = || Arc::new(plans.plan(&candidates, kinds, None, route.service));
                shared.entry(route.service).or_insert_with(make).clone()
            };
            plans.routes.push(plan);
        }
        plans
    }

    /// One plan without plugins for all requests, that nevertheless has these phases: for tests of
    /// whoever calls phases.
    #[cfg(test)]
    pub fn with_phases(phases: u32) -> Plans {
        Plans { global: Arc::new(Plan { phases, ..Plan::default() }), ..Plans::default() }
    }

    /// The plan of a route.
    pub fn of_route(&self, route: usize) -> &Arc<Plan> {
        self.routes.get(route).unwrap_or(&self.global)
    }

    /// The plan of global plugins: what runs in `rewrite`, and for requests that match no route.
    pub fn global(&self) -> &Arc<Plan> {
        &self.global
    }

    /// The instance of a kind that runs for this route, service and consumer.
    ///
    /// *Cost*: at most nine hash look-ups, five for a consumer without instances of its own.
    pub fn instance(
        &self,
        kind: usize,
        route: Option<usize>,
        service: Option<usize>,
        consumer: Option<&str>,
    ) -> Option<usize> {
        let of_all = Some(&self.instances.of_all);
        let of_consumer = consumer.and_then(|consumer| self.instances.of_consumers.get(consumer));
        let places = [
            (true, true, of_consumer),
            (true, false, of_consumer),
            (false, true, of_consumer),
            (true, true, of_all),
            (false, false, of_consumer),
            (true, false, of_all),
            (false, true, of_all),
            (false, false, of_all),
        ];
        places.into_iter().find_map(|(by_route, by_service, instances)| {
            let absent = (by_route && route.is_none()) || (by_service && service.is_none());
            let place = (kind, route.filter(|_| by_route), service.filter(|_| by_service));
            instances.filter(|_| !absent)?.get(&place).copied()
        })
    }

    fn plan(
        &self,
        candidates: &Candidates,
        kinds: &[PluginKind],
        route: Option<usize>,
        service: Option<usize>,
    ) -> Plan {
        let mut plan = Plan::default();
        for &kind in &candidates.kinds {
            let plugin = self.instance(kind, route, service, None);
            let by_consumer = candidates.by_consumer.contains(&kind);
            if plugin.is_some() || by_consumer {
                plan.steps.push(Step { kind, plugin, by_consumer });
                plan.phases |= kinds.get(kind).map_or(0, |k| k.phases);
            }
        }
        plan
    }
}

impl Instances {
    fn of(plugins: &[Plugin]) -> Instances {
        let mut instances = Instances::default();
        for (index, Plugin { kind, scope, .. }) in plugins.iter().enumerate() {
            let places = match &scope.consumer {
                Some(consumer) => instances.of_consumers.entry(Arc::clone(consumer)).or_default(),
                None => &mut instances.of_all,
            };
            places.insert((*kind, scope.route, scope.service), index);
        }
        instances
    }
}

/// The kinds that have an instance at all, and those that have one bound to a consumer.
struct Candidates {
    kinds: Vec<usize>,
    by_consumer: HashSet<usize>,
}

impl Candidates {
    fn of(kinds: &[PluginKind], plugins: &[Plugin]) -> Candidates {
        let used: HashSet<usize> = plugins.iter().map(|p| p.kind).collect();
        let by_consumer = plugins.iter().filter(|p| p.scope.consumer.is_some()).map(|p| p.kind).collect();
        Candidates { kinds: (0..kinds.len()).filter(|kind| used.contains(kind)).collect(), by_consumer }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Protocols, Scope};
    use super::*;
    use crate::phase::Phase;
    use serde_json::json;

    fn kind(name: &str) -> PluginKind {
        let phases = Phase::Access.bit();
        PluginKind { name: name.into(), priority: 1.0, version: "1".into(), phases }
    }

    fn route(service: Option<usize>) -> Arc<Route> {
        let entity = json!({ "id": "r", "protocols": ["http"] });
        let mut route = Route::of(Arc::new(entity.as_object().unwrap().clone()), &HashMap::default());
        route.service = service;
        Arc::new(route)
    }

    fn plugin(kind: usize, route: Option<usize>, service: Option<usize>, consumer: Option<&str>) -> Plugin {
        Plugin {
            id: "p".into(),
            kind,
            scope: Scope { route, service, consumer: consumer.map(Arc::from) },
            protocols: Protocols::HTTP,
            config: Arc::new(json!({})),
            instance_name: None,
            entity: Arc::default(),
        }
    }

    /// Every scope that can be made of route 0, service 0 and one consumer, most specific first.
    fn all_scopes() -> Vec<Plugin> {
        let (r, s, c) = (Some(0), Some(0), Some("c"));
        [
            (r, s, c),
            (r, None, c),
            (None, s, c),
            (r, s, None),
            (None, None, c),
            (r, None, None),
            (None, s, None),
        ]
        .into_iter()
        .chain([(None, None, None)])
        .map(|(route, service, consumer)| plugin(0, route, service, consumer))
        .collect()
    }

    #[test]
    fn the_most_specific_instance_wins_whichever_are_left() {
        let mut plugins = all_scopes();
        while !plugins.is_empty() {
            let plans = Plans::build(&[route(Some(0))], &[kind("a")], &plugins);
            assert_eq!(plans.instance(0, Some(0), Some(0), Some("c")), Some(0));
            plugins.remove(0);
        }
    }

    #[test]
    fn a_consumer_only_instance_is_a_step_without_a_plugin() {
        let plugins = [plugin(1, None, None, Some("c"))];
        let plans = Plans::build(&[route(None)], &[kind("a"), kind("b")], &plugins);
        assert_eq!(plans.of_route(0).steps, [Step { kind: 1, plugin: None, by_consumer: true }]);
    }

    #[test]
    fn routes_without_plugins_of_their_own_share_the_plan_of_their_service() {
        let plugins = [plugin(0, None, Some(1), None), plugin(0, Some(2), None, None)];
        let routes = [route(Some(1)), route(Some(1)), route(Some(1)), route(None)];
        let plans = Plans::build(&routes, &[kind("a")], &plugins);
        assert!(Arc::ptr_eq(plans.of_route(0), plans.of_route(1)));
        assert_eq!(plans.of_route(2).steps, [Step { kind: 0, plugin: Some(1), by_consumer: false }]);
        assert_eq!(plans.of_route(3).phases, 0);
    }
}
