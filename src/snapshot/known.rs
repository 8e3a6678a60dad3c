//! What a snapshot may take over from the one before it.
//!
//! Entities that a change leaves alone are the same ones before and after, by address: what was made of
//! them is taken over where nothing else goes into it, and where something does, that is compared.

use super::{Route, Service, Snapshot};
use crate::db::Entity;
use crate::router::{CompiledRoute, Flavor};
use foldhash::fast::RandomState;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// The parts of a snapshot by the entities they were made of.
pub(super) struct Known<'a> {
    previous: &'a Snapshot,
    routes: Places,
    plugins: Places,
}

/// Ids → where the entities stand in a list.
pub(super) type Index = HashMap<Arc<str>, usize, RandomState>;

type Places = HashMap<*const Entity, usize, RandomState>;

impl<'a> Known<'a> {
    pub(super) fn of(previous: &'a Snapshot) -> Known<'a> {
        Known {
            previous,
            routes: places(previous.routes.iter().map(|route| &route.entity)),
            plugins: places(previous.plugins.iter().map(|plugin| &plugin.entity)),
        }
    }

    /// The run-time form of a route, which tells where its service stands.
    pub(super) fn route(&self, entity: Arc<Entity>, services: &Index) -> Arc<Route> {
        let known = self.place(&self.routes, &entity).and_then(|at| self.previous.routes.get(at));
        let stands_the_same = |route: &&Arc<Route>| match route.service {
            None => Route::service_of(&entity, services).is_none(),
            Some(at) => {
                let service = self.previous.services.get(at);
                service.and_then(|service| services.get(&service.id)) == Some(&at)
            }
        };
        match known.filter(stands_the_same) {
            Some(route) => Arc::clone(route),
            None => Arc::new(Route::of(entity, services)),
        }
    }

    /// The compiled form of a route, into which the path of its service goes.
    pub(super) fn compiled(
        &self,
        route: &Route,
        service: Option<&Service>,
        flavor: Flavor,
    ) -> Option<Arc<CompiledRoute>> {
        let at = self.place(&self.routes, &route.entity)?;
        let before = self.previous.routes.get(at)?.service.and_then(|at| self.previous.services.get(at));
        let path = |service: Option<&Service>| service.and_then(|service| service.path.clone());
        let is_same = self.previous.router.flavor() == flavor && path(before) == path(service);
        self.previous.compiled.get(at).filter(|_| is_same)?.clone()
    }

    /// The configuration of a plugin instance.
    pub(super) fn config(&self, entity: &Arc<Entity>) -> Arc<Value> {
        let known = self.place(&self.plugins, entity).and_then(|at| self.previous.plugins.get(at));
        match known {
            Some(plugin) => Arc::clone(&plugin.config),
            None => Arc::new(entity.get("config").cloned().unwrap_or(Value::Null)),
        }
    }

    fn place(&self, places: &Places, entity: &Arc<Entity>) -> Option<usize> {
        places.get(&Arc::as_ptr(entity)).copied()
    }
}

/// Addresses stay taken as long as the snapshot lives, which keeps the entities.
fn places<'a>(entities: impl Iterator<Item = &'a Arc<Entity>>) -> Places {
    entities.enumerate().map(|(at, entity)| (Arc::as_ptr(entity), at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::declarative::Reader;
    use crate::db::off::Dataset;
    use crate::entities::{Registry, RouterFlavor};
    use crate::router::MatchInput;
    use crate::snapshot::{build, build_after};
    use proptest::prelude::*;

    const FLAVOR: Flavor = Flavor::TraditionalCompatible;

    fn reader() -> Reader {
        Reader::new(&Registry::core(RouterFlavor::TraditionalCompatible).unwrap())
    }

    fn dataset(reader: &Reader, previous: &Snapshot, text: &str) -> Arc<Dataset> {
        let rows = reader.rows(reader.read(text, None).unwrap()).unwrap();
        let before = previous.dataset.as_deref();
        Arc::new(Dataset::build_after(before, reader.model().clone(), rows, "x").unwrap())
    }

    fn after(reader: &Reader, previous: &Snapshot, text: &str) -> Snapshot {
        build_after(previous, dataset(reader, previous, text), Vec::new(), FLAVOR).0
    }

    /// Where requests for some paths go: route, service, path.
    fn ways(snapshot: &Snapshot) -> Vec<String> {
        let ways = ["/", "/a", "/b/x", "/ab", "/c7", "/c"].map(|path| {
            let input = MatchInput { method: "GET", path: path.as_bytes(), ..MatchInput::default() };
            let found = snapshot.router.find(&input)?;
            let route = &snapshot.routes[found.route];
            let service = route.service.map(|at| &snapshot.services[at]);
            let mut upstream = Vec::new();
            snapshot.router.upstream_path(&found)?.write(path.as_bytes(), found.path, &mut upstream);
            let service = service.map(|service| format!("{:?}:{}", service.name, service.port));
            Some(format!("{path}: {:?} {service:?} {}", route.name, String::from_utf8(upstream).unwrap()))
        });
        ways.into_iter().map(Option::unwrap_or_default).collect()
    }

    prop_compose! {
        fn service()(
            port in 1..3_u16,
            path in prop::option::of("/[uv]"),
            enabled in prop::bool::weighted(0.8),
            routes in prop::collection::btree_map("[p-t]", ("(/|/a|/b|~/c\\d|/c)", any::<bool>()), 0..3),
        ) -> (u16, Option<String>, bool, Vec<(String, (String, bool))>) {
            (port, path, enabled, routes.into_iter().collect())
        }
    }

    fn texts() -> impl Strategy<Value = String> {
        prop::collection::btree_map("[a-c]", service(), 0..4).prop_map(|services| {
            let mut text = "_format_version: '3.0'\nservices:\n".to_owned();
            let mut seen = std::collections::HashSet::new();
            for (name, (port, path, enabled, routes)) in services {
                let path = path.map_or(String::new(), |path| format!(", path: {path}"));
                text.push_str(&format!(
                    "- {{name: {name}, host: h, port: {port}, enabled: {enabled}{path}, routes: ["
                ));
                for (route, (path, strip)) in routes {
                    if seen.insert(route.clone()) {
                        text.push_str(&format!(
                            "{{name: {route}, paths: ['{path}'], strip_path: {strip}}}, "
                        ));
                    }
                }
                text.push_str("]}\n");
            }
            text
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_snapshot_that_takes_over_from_another_is_the_one_that_does_not(texts in prop::collection::vec(texts(), 2..5)) {
            let reader = reader();
            let mut snapshot = Snapshot::default();
            for text in &texts {
                snapshot = after(&reader, &snapshot, text);
                let fresh = build(dataset(&reader, &Snapshot::default(), text), Vec::new(), FLAVOR).0;
                prop_assert_eq!(ways(&snapshot), ways(&fresh));
            }
        }
    }

    const SHARED: &str = "_format_version: '3.0'\nservices:\n- {name: b, host: h, port: 1PATH, routes: [{name: r, paths: ['~/c\\d']}]}\n";

    #[test]
    fn routes_are_taken_over_while_the_path_of_their_service_stays() {
        let reader = reader();
        let one = after(&reader, &Snapshot::default(), &SHARED.replace("PATH", ""));
        let other = after(&reader, &one, &format!("{}- {{name: a, host: h}}\n", SHARED.replace("PATH", "")));
        let compiled = |snapshot: &Snapshot| snapshot.compiled[0].clone().unwrap();
        assert!(Arc::ptr_eq(&compiled(&one), &compiled(&other)));
        assert_eq!(ways(&one), ways(&other));
        let third = after(&reader, &other, &SHARED.replace("PATH", ", path: /u"));
        assert!(!Arc::ptr_eq(&compiled(&other), &compiled(&third)));
        assert!(ways(&third)[4].ends_with(" /u"), "{:?}", ways(&third));
    }
}
