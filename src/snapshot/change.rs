//! From one snapshot to the next: a copy, in which what entities became is replaced where these changed.
//!
//! What an entity became has the place in the snapshot's list that the entity has in its collection. Something changes
//! for an entity, too, when one changes that it refers to: these are found through the dataset's indexes.

use super::build::protocols;
use super::plan::{Bound, Changed};
use super::{Plugin, Route, Scope, Service, Snapshot, read, upstream};
use crate::db::Entity;
use crate::db::off::{Collection, Dataset};
use crate::router::{CompiledRoute, Compiler, Flavor, RouteError, Subsystem};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A snapshot on its way.
pub(super) struct Change<'a> {
    /// What it had been made of so far.
    before: Option<&'a Dataset>,
    after: &'a Dataset,
    snapshot: Snapshot,
    /// Places of routes and of plugins for which something changed besides their own entities.
    routes: BTreeSet<usize>,
    plugins: BTreeSet<usize>,
    /// Places of routes that changed.
    replanned: Vec<usize>,
    refused: Vec<RouteError>,
}

impl<'a> Change<'a> {
    /// From `before`, which `previous` was made of, to `after`.
    pub(super) fn of(previous: &Snapshot, before: &'a Dataset, after: &'a Dataset) -> Change<'a> {
        let snapshot = Snapshot {
            generation: previous.generation,
            hash: String::new(),
            dataset: None,
            router: previous.router.clone(),
            routes: previous.routes.clone(),
            services: previous.services.clone(),
            plugins: previous.plugins.clone(),
            kinds: Arc::clone(&previous.kinds),
            plans: previous.plans.clone(),
            certificates: previous.certificates.clone(),
            certificates_version: previous.certificates_version,
            upstreams: previous.upstreams.clone(),
        };
        Change { before: Some(before), ..Change::all(snapshot, after) }
    }

    /// From a snapshot without entities.
    pub(super) fn all(empty: Snapshot, after: &'a Dataset) -> Change<'a> {
        Change {
            before: None,
            after,
            snapshot: empty,
            routes: BTreeSet::new(),
            plugins: BTreeSet::new(),
            replanned: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The snapshot, and the routes that its router refuses, of those that changed.
    pub(super) fn done(self) -> (Snapshot, Vec<RouteError>) {
        (self.snapshot, self.refused)
    }

    /// The places of a kind at which the entity is another one, or has gone.
    fn differences(&self, kind: &str) -> Vec<usize> {
        let after = self.after.collection(kind);
        match (self.before.and_then(|before| before.collection(kind)), after) {
            (Some(before), Some(after)) if std::ptr::eq(before, after) => Vec::new(),
            (Some(before), Some(after)) => after.differences(before),
            (before, after) => {
                let places = |all: Option<&Collection>| -> BTreeSet<usize> {
                    all.into_iter().flat_map(|all| all.places().map(|(at, _)| at)).collect()
                };
                places(before).union(&places(after)).copied().collect()
            }
        }
    }

    fn entity(&self, kind: &str, at: usize) -> Option<&'a Arc<Entity>> {
        self.after.collection(kind)?.at(at)
    }

    fn place(&self, kind: &str, id: &str) -> Option<usize> {
        self.after.collection(kind)?.place(id)
    }

    /// The places of the entities that refer to one.
    fn places_for(&self, kind: &str, field: &str, id: &str) -> &'a [usize] {
        self.after.collection(kind).map_or(&[], |all| all.places_for(field, id))
    }

    /// Takes over services.
    pub(super) fn services(&mut self) {
        for at in self.differences("services") {
            let now = self.entity("services", at).map(|entity| Arc::new(Service::of(Arc::clone(entity))));
            let before = self.snapshot.services.set(at, now.clone());
            let seen = |service: &Option<Arc<Service>>| {
                service.as_ref().map(|service| (service.id.clone(), service.enabled, service.path.clone()))
            };
            if seen(&before) == seen(&now) {
                continue;
            }
            for service in before.iter().chain(&now) {
                self.routes.extend(self.places_for("routes", "service", &service.id));
                self.plugins.extend(self.places_for("plugins", "service", &service.id));
            }
        }
    }

    /// Takes over routes of enabled services and routes without a service, and has the router take them over.
    pub(super) fn routes(&mut self, flavor: Flavor) {
        let mut compiler = Compiler::new(flavor, Subsystem::Http);
        let mut places = std::mem::take(&mut self.routes);
        places.extend(self.differences("routes"));
        let mut compiled = Vec::with_capacity(places.len());
        for at in places {
            let now = self.route(at).map(Arc::new);
            compiled.push((at, now.as_ref().and_then(|route| self.compile(&mut compiler, at, route))));
            let before = self.snapshot.routes.set(at, now.clone());
            for route in before.iter().chain(&now) {
                self.plugins.extend(self.places_for("plugins", "route", &route.id));
            }
            self.replanned.push(at);
        }
        self.snapshot.router.change(compiled);
    }

    /// The run-time form of the route at a place, when requests may match it.
    fn route(&self, at: usize) -> Option<Route> {
        let entity = self.entity("routes", at)?;
        let service = read::foreign(entity, "service");
        let place = service.and_then(|id| self.place("services", id));
        if service.is_some() && !self.snapshot.services.get(place?)?.enabled {
            return None;
        }
        Some(Route::of(Arc::clone(entity), place))
    }

    fn compile(&mut self, compiler: &mut Compiler, at: usize, route: &Route) -> Option<CompiledRoute> {
        let service = route.service.and_then(|service| self.snapshot.services.get(service));
        let compiled = compiler.compile(&route.spec(at, service.map(|service| &**service)));
        compiled.map_err(|error| self.refused.push(error)).ok()
    }

    /// Takes over plugin instances, and plans anew what they run for.
    pub(super) fn plugins(&mut self) {
        let mut places = std::mem::take(&mut self.plugins);
        places.extend(self.differences("plugins"));
        let mut changed = Vec::new();
        for at in places {
            let before = self.snapshot.plugins.get(at).cloned();
            let now = self.plugin(at, before.as_deref()).map(Arc::new);
            let is_same = match (&before, &now) {
                (Some(before), Some(now)) => {
                    Arc::ptr_eq(&before.entity, &now.entity) && before.scope == now.scope
                }
                (None, None) => true,
                _ => false,
            };
            if !is_same {
                self.snapshot.plugins.set(at, now.clone());
                let bound = |plugin: Option<Arc<Plugin>>| plugin.map(|plugin| Bound::of(&plugin));
                changed.push(Changed { at, before: bound(before), now: bound(now) });
            }
        }
        let Snapshot { plans, routes, services, kinds, .. } = &mut self.snapshot;
        let after = self.after;
        let of_service = |at: usize| {
            let routes = after.collection("routes").zip(services.get(at));
            routes.map(|(routes, service)| routes.places_for("service", &service.id)).unwrap_or_default()
        };
        plans.change(kinds, routes, &changed, &self.replanned, &of_service);
    }

    /// The run-time form of the plugin at a place; `None` when it does not run here.
    fn plugin(&self, at: usize, before: Option<&Plugin>) -> Option<Plugin> {
        let entity = self.entity("plugins", at)?;
        if read::flag(entity, "enabled") == Some(false) {
            return None;
        }
        let name = read::text(entity, "name")?;
        let known = before.filter(|before| Arc::ptr_eq(&before.entity, entity));
        let config = || Arc::new(entity.get("config").cloned().unwrap_or(Value::Null));
        Some(Plugin {
            id: read::shared(entity, "id")?,
            kind: self.snapshot.kinds.iter().position(|kind| &*kind.name == name)?,
            scope: self.scope(entity)?,
            protocols: protocols(entity),
            config: known.map_or_else(config, |known| Arc::clone(&known.config)),
            instance_name: read::shared(entity, "instance_name"),
            entity: Arc::clone(entity),
        })
    }

    /// What the instance is bound to; `None` when that is not served.
    fn scope(&self, entity: &Entity) -> Option<Scope> {
        let (routes, services) = (&self.snapshot.routes, &self.snapshot.services);
        let route = read::foreign(entity, "route").map(|id| self.place("routes", id));
        let service = read::foreign(entity, "service").map(|id| self.place("services", id));
        Some(Scope {
            route: route.map(|at| at.filter(|at| routes.get(*at).is_some()).ok_or(())).transpose().ok()?,
            service: service
                .map(|at| at.filter(|at| services.get(*at).is_some()).ok_or(()))
                .transpose()
                .ok()?,
            consumer: read::foreign(entity, "consumer").map(Arc::from),
        })
    }

    /// Takes over upstreams with their targets; one that is as it was stays the one it was, which spares every worker a
    /// comparison.
    pub(super) fn upstreams(&mut self) {
        let mut places: BTreeSet<usize> = self.differences("upstreams").into_iter().collect();
        for at in self.differences("targets") {
            let before = self.before.and_then(|before| before.collection("targets")?.at(at));
            for target in before.into_iter().chain(self.entity("targets", at)) {
                places.extend(
                    read::foreign(target, "upstream").and_then(|upstream| self.place("upstreams", upstream)),
                );
            }
        }
        for at in places {
            let spec = self.entity("upstreams", at).and_then(|entity| upstream::spec(entity, self.after));
            if self.snapshot.upstreams.get(at).map(|known| &**known) != spec.as_ref() {
                self.snapshot.upstreams.set(at, spec.map(Arc::new));
            }
        }
    }

    /// Takes over which certificate answers to which server name.
    pub(super) fn certificates(&mut self) {
        let places = self.differences("snis");
        let name = |sni: &Entity| read::text(sni, "name").map(str::to_ascii_lowercase);
        for at in &places {
            let before = self.before.and_then(|before| before.collection("snis")?.at(*at));
            if let Some(name) = before.and_then(|sni| name(sni)) {
                self.snapshot.certificates.set(&name, None);
            }
        }
        for at in &places {
            let Some(sni) = self.entity("snis", *at) else { continue };
            if let Some((name, certificate)) = name(sni).zip(read::foreign(sni, "certificate")) {
                self.snapshot.certificates.set(&name, Some(certificate.into()));
            }
        }
    }
}
