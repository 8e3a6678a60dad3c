//! Which plugins run for which route.
//!
//! For each route the plan lists, in execution order, the plugin kinds that may run and the instance
//! that wins while no consumer is known. A kind that also has instances bound to a consumer is marked:
//! only then is there anything to look up once a consumer has been authenticated.
//!
//! *Kong parity*: precedence for one plugin is route+service+consumer, route+consumer,
//! service+consumer, route+service, consumer, route, service, global.

use super::{Plugin, PluginKind, Route, Scope};
use crate::persistent::{Shards, Slots};
use std::collections::HashSet;
use std::hash::Hash;
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
#[derive(Debug, Clone, Default)]
pub struct Plans {
    /// By the places of routes.
    routes: Slots<Arc<Plan>>,
    /// Of routes without instances of their own, by the places of services with some.
    services: Shards<usize, Arc<Plan>>,
    global: Arc<Plan>,
    instances: Instances,
}

/// Plugin instances by what they are bound to: those that are bound to a consumer, and others.
#[derive(Debug, Clone, Default)]
struct Instances {
    of_all: ByPlace,
    of_consumers: Shards<Arc<str>, ByPlace>,
    /// How many instances a route or a service has of its own: those that are not bound to a consumer.
    on_routes: Shards<usize, usize>,
    on_services: Shards<usize, usize>,
    /// How many instances there are of each kind, and how many of them are bound to a consumer.
    uses: Vec<(usize, usize)>,
}

/// Instances by their kind, route and service.
type ByPlace = Shards<(usize, Option<usize>, Option<usize>), usize>;

/// What an instance is an instance of, and what it is bound to.
#[derive(Debug)]
pub(super) struct Bound {
    kind: usize,
    scope: Scope,
}

impl Bound {
    pub(super) fn of(plugin: &Plugin) -> Bound {
        Bound { kind: plugin.kind, scope: plugin.scope.clone() }
    }
}

/// A place in the list of instances, what was there and what is there now.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) at: usize,
    pub(super) before: Option<Bound>,
    pub(super) now: Option<Bound>,
}

impl Changed {
    fn each(&self) -> impl Iterator<Item = &Bound> {
        self.before.iter().chain(&self.now)
    }
}

impl Plans {
    /// Plans anew after some instances and some routes have changed; `of_service` tells the places of a service's routes.
    ///
    /// *Cost*: that of the plans which have one of the changed instances.
    pub(super) fn change<'s>(
        &mut self,
        kinds: &[PluginKind],
        routes: &Slots<Arc<Route>>,
        instances: &[Changed],
        replanned: &[usize],
        of_service: &dyn Fn(usize) -> &'s [usize],
    ) {
        let by_consumer = self.instances.by_consumer();
        for changed in instances {
            self.instances.count(changed.before.as_ref(), changed.at, false);
        }
        for changed in instances {
            self.instances.count(changed.now.as_ref(), changed.at, true);
        }
        let is_everywhere = |bound: &Bound| bound.scope.route.is_none() && bound.scope.service.is_none();
        let concerns_all = instances.iter().flat_map(Changed::each).any(is_everywhere)
            || by_consumer != self.instances.by_consumer();
        let (mut on_services, mut on_routes) = (HashSet::new(), HashSet::new());
        match concerns_all {
            true => {
                self.global = Arc::new(self.plan(kinds, None, None));
                on_services.extend(self.services.iter().map(|(at, _)| *at));
                on_services.extend(self.instances.on_services.iter().map(|(at, _)| *at));
                on_routes.extend(routes.places().map(|(at, _)| at));
            }
            false => {
                let scopes = || instances.iter().flat_map(Changed::each).map(|bound| &bound.scope);
                on_services.extend(scopes().filter_map(|scope| scope.service));
                on_routes.extend(scopes().filter_map(|scope| scope.route));
                on_routes.extend(on_services.iter().flat_map(|at| of_service(*at)).copied());
            }
        }
        on_routes.extend(replanned);
        for at in on_services {
            match self.instances.on_services.get(&at) {
                Some(_) => drop(self.services.insert(at, Arc::new(self.plan(kinds, None, Some(at))))),
                None => drop(self.services.remove(&at)),
            }
        }
        for at in on_routes {
            let plan = routes.get(at).map(|route| self.plan_of(kinds, at, route.service));
            self.routes.set(at, plan);
        }
    }

    /// The plan of a route: its own, if it has an instance of its own, and else that of its service or of all.
    fn plan_of(&self, kinds: &[PluginKind], route: usize, service: Option<usize>) -> Arc<Plan> {
        if self.instances.on_routes.get(&route).is_some() {
            return Arc::new(self.plan(kinds, Some(route), service));
        }
        let of_service = service.and_then(|service| self.services.get(&service));
        Arc::clone(of_service.unwrap_or(&self.global))
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

    fn plan(&self, kinds: &[PluginKind], route: Option<usize>, service: Option<usize>) -> Plan {
        let mut plan = Plan::default();
        for (kind, (uses, of_consumers)) in self.instances.uses.iter().enumerate() {
            let plugin = (*uses > 0).then(|| self.instance(kind, route, service, None)).flatten();
            let by_consumer = *of_consumers > 0;
            if plugin.is_some() || by_consumer {
                plan.steps.push(Step { kind, plugin, by_consumer });
                plan.phases |= kinds.get(kind).map_or(0, |k| k.phases);
            }
        }
        plan
    }
}

impl Instances {
    /// Lists an instance and counts it, or takes it out again.
    fn count(&mut self, bound: Option<&Bound>, at: usize, is_new: bool) {
        let Some(Bound { kind, scope }) = bound else { return };
        if self.uses.len() <= *kind {
            self.uses.resize(kind + 1, (0, 0));
        }
        let step = |count: &mut usize| *count = if is_new { *count + 1 } else { count.saturating_sub(1) };
        let place = (*kind, scope.route, scope.service);
        if let Some((all, of_consumers)) = self.uses.get_mut(*kind) {
            step(all);
            if scope.consumer.is_some() {
                step(of_consumers);
            }
        }
        let Some(consumer) = &scope.consumer else {
            list(&mut self.of_all, place, at, is_new);
            for (counts, place) in
                [(&mut self.on_routes, scope.route), (&mut self.on_services, scope.service)]
            {
                let Some(place) = place else { continue };
                let mut count = counts.get(&place).copied().unwrap_or(0);
                step(&mut count);
                list(counts, place, count, count > 0);
            }
            return;
        };
        let mut instances = self.of_consumers.get(consumer).cloned().unwrap_or_default();
        list(&mut instances, place, at, is_new);
        let has_some = !instances.is_empty();
        list(&mut self.of_consumers, Arc::clone(consumer), instances, has_some);
    }

    /// For each kind, whether an instance is bound to a consumer.
    fn by_consumer(&self) -> Vec<usize> {
        self.uses.iter().enumerate().filter(|(_, (_, count))| *count > 0).map(|(kind, _)| kind).collect()
    }
}

/// Has a key listed with a value, or no longer listed.
fn list<K: Hash + Eq + Clone, V: Clone>(listed: &mut Shards<K, V>, key: K, value: V, is_listed: bool) {
    match is_listed {
        true => drop(listed.insert(key, value)),
        false => drop(listed.remove(&key)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Protocols;
    use super::*;
    use crate::phase::Phase;
    use serde_json::json;

    fn kind(name: &str) -> PluginKind {
        let phases = Phase::Access.bit();
        PluginKind { name: name.into(), priority: 1.0, version: "1".into(), phases }
    }

    fn route(service: Option<usize>) -> Arc<Route> {
        let entity = json!({ "id": "r", "protocols": ["http"] });
        Arc::new(Route::of(Arc::new(entity.as_object().unwrap().clone()), service))
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

    fn plans(routes: &[Arc<Route>], kinds: &[PluginKind], plugins: &[Plugin]) -> Plans {
        let changed =
            |(at, plugin): (usize, &Plugin)| Changed { at, before: None, now: Some(Bound::of(plugin)) };
        let changed: Vec<_> = plugins.iter().enumerate().map(changed).collect();
        let replanned: Vec<_> = (0..routes.len()).collect();
        let mut plans = Plans::default();
        plans.change(kinds, &routes.iter().cloned().collect(), &changed, &replanned, &|_| &[]);
        plans
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
            let plans = plans(&[route(Some(0))], &[kind("a")], &plugins);
            assert_eq!(plans.instance(0, Some(0), Some(0), Some("c")), Some(0));
            plugins.remove(0);
        }
    }

    #[test]
    fn a_consumer_only_instance_is_a_step_without_a_plugin() {
        let plugins = [plugin(1, None, None, Some("c"))];
        let plans = plans(&[route(None)], &[kind("a"), kind("b")], &plugins);
        assert_eq!(plans.of_route(0).steps, [Step { kind: 1, plugin: None, by_consumer: true }]);
    }

    #[test]
    fn routes_without_plugins_of_their_own_share_the_plan_of_their_service() {
        let plugins = [plugin(0, None, Some(1), None), plugin(0, Some(2), None, None)];
        let routes = [route(Some(1)), route(Some(1)), route(Some(1)), route(None)];
        let plans = plans(&routes, &[kind("a")], &plugins);
        assert!(Arc::ptr_eq(plans.of_route(0), plans.of_route(1)));
        assert_eq!(plans.of_route(2).steps, [Step { kind: 0, plugin: Some(1), by_consumer: false }]);
        assert_eq!(plans.of_route(3).phases, 0);
    }
}
