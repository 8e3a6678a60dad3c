//! A dataset of entities → a snapshot.

use super::read;
use super::{Certificates, Plans, Plugin, PluginKind, Protocols, Route, Scope, Service, Snapshot};
use crate::db::Entity;
use crate::db::off::Dataset;
use crate::router::{Flavor, RouteError, Router, Subsystem, expression};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Builds the snapshot of a dataset, and tells which routes the router refuses; they are left out.
///
/// `kinds` are the installed plugins in execution order; instances of other plugins are left out, as
/// are disabled ones and routes of disabled services.
pub fn build(dataset: Arc<Dataset>, kinds: Vec<PluginKind>, flavor: Flavor) -> (Snapshot, Vec<RouteError>) {
    let services: Vec<Service> = entities(&dataset, "services").map(Service::of).collect();
    let service_index = index(services.iter().map(|s| &s.id));
    let routes: Vec<Route> = entities(&dataset, "routes")
        .map(|entity| Route::of(entity, &service_index))
        .filter(|route| is_served(route, &services))
        .collect();
    let (router, refused) = build_router(&routes, &services, flavor);
    let route_index = index(routes.iter().map(|r| &r.id));
    let places = Places { kinds: &kinds, routes: &route_index, services: &service_index };
    let plugins: Vec<Plugin> = entities(&dataset, "plugins").filter_map(|e| places.plugin(e)).collect();
    let plans = Plans::build(&routes, &kinds, &plugins);
    let snapshot = Snapshot {
        generation: 0,
        hash: dataset.hash().to_owned(),
        certificates: certificates(&dataset),
        upstreams: super::upstream::upstreams(&dataset),
        router,
        routes,
        services,
        plugins,
        kinds,
        plans,
        dataset: Some(dataset),
    };
    (snapshot, refused)
}

/// Says why a route cannot be compiled, given as it is validated: without a service, perhaps without an
/// id.
pub fn check_route(route: &Entity, flavor: Flavor) -> Result<(), String> {
    let expression = read::text(route, "expression").filter(|_| flavor == Flavor::Expressions);
    let route = Route::of(Arc::new(route.clone()), &HashMap::new());
    let spec = route.spec(0, None);
    let subsystem = spec.protocols.first().map_or(Subsystem::Http, |protocol| protocol.subsystem());
    if let Some(expression) = expression {
        return expression::validate(expression, subsystem);
    }
    let (_, refused) = Router::build(flavor, subsystem, &[spec]);
    refused.into_iter().next().map_or(Ok(()), |error| Err(error.reason))
}

fn entities(dataset: &Dataset, kind: &str) -> impl Iterator<Item = Arc<Entity>> {
    dataset.collection(kind).into_iter().flat_map(|collection| collection.each())
}

fn index<'a>(ids: impl Iterator<Item = &'a Arc<str>>) -> HashMap<Arc<str>, usize> {
    ids.cloned().enumerate().map(|(at, id)| (id, at)).collect()
}

/// Whether requests may match the route: not when its service is disabled or not there.
fn is_served(route: &Route, services: &[Service]) -> bool {
    match read::foreign(&route.entity, "service") {
        None => true,
        Some(_) => route.service.and_then(|at| services.get(at)).is_some_and(|service| service.enabled),
    }
}

fn build_router(routes: &[Route], services: &[Service], flavor: Flavor) -> (Router, Vec<RouteError>) {
    let specs: Vec<_> = routes
        .iter()
        .enumerate()
        .map(|(at, route)| route.spec(at, route.service.and_then(|service| services.get(service))))
        .collect();
    Router::build(flavor, Subsystem::Http, &specs)
}

/// Where the things that plugins are bound to stand.
struct Places<'a> {
    kinds: &'a [PluginKind],
    routes: &'a HashMap<Arc<str>, usize>,
    services: &'a HashMap<Arc<str>, usize>,
}

impl Places<'_> {
    /// The instance of a stored plugin; `None` when it does not run here.
    fn plugin(&self, entity: Arc<Entity>) -> Option<Plugin> {
        if read::flag(&entity, "enabled") == Some(false) {
            return None;
        }
        let name = read::text(&entity, "name")?;
        let kind = self.kinds.iter().position(|kind| &*kind.name == name)?;
        Some(Plugin {
            id: read::shared(&entity, "id")?,
            kind,
            scope: self.scope(&entity)?,
            protocols: protocols(&entity),
            config: Arc::new(entity.get("config").cloned().unwrap_or(Value::Null)),
            instance_name: read::shared(&entity, "instance_name"),
            entity,
        })
    }

    /// What the instance is bound to; `None` when that is not served.
    fn scope(&self, entity: &Entity) -> Option<Scope> {
        let place = |field, index: &HashMap<Arc<str>, usize>| match read::foreign(entity, field) {
            None => Some(None),
            Some(id) => index.get(id).map(|at| Some(*at)),
        };
        Some(Scope {
            route: place("route", self.routes)?,
            service: place("service", self.services)?,
            consumer: read::foreign(entity, "consumer").map(Arc::from),
        })
    }
}

/// The protocols of a route or plugin.
pub(super) fn protocols(entity: &Entity) -> Protocols {
    read::list(entity, "protocols")
        .filter_map(Value::as_str)
        .fold(Protocols::default(), |all, name| all.with(Protocols::named(name)))
}

fn certificates(dataset: &Dataset) -> Certificates {
    Certificates::from_names(entities(dataset, "snis").filter_map(|sni| {
        let name = read::text(&sni, "name")?.to_ascii_lowercase().into_boxed_str();
        Some((name, Arc::from(read::foreign(&sni, "certificate")?)))
    }))
}
