//! A snapshot that was made by changing others is the one that is built at once.

use super::*;
use crate::db::declarative::Reader;
use crate::db::{Entities, Entity};
use crate::entities::{Registry, RouterFlavor};
use crate::phase::Phase;
use crate::router::{Flavor, MatchInput};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const FLAVORS: [Flavor; 3] = [Flavor::Traditional, Flavor::TraditionalCompatible, Flavor::Expressions];
const PATHS: [&str; 6] = ["/", "/a", "/b/x", "/ab", "/c7", "/c"];

fn reader() -> Reader {
    Reader::new(&Registry::core(RouterFlavor::TraditionalCompatible).unwrap())
}

fn dataset(reader: &Reader, previous: &Snapshot, text: &str) -> Arc<Dataset> {
    let rows = reader.rows(reader.read(text, None).unwrap()).unwrap();
    let before = previous.dataset.as_deref();
    Arc::new(Dataset::build_after(before, reader.model().clone(), rows, "x").unwrap())
}

fn after(reader: &Reader, previous: &Snapshot, text: &str) -> Snapshot {
    build_after(previous, dataset(reader, previous, text), Vec::new(), Flavor::TraditionalCompatible).0
}

fn kinds() -> Vec<PluginKind> {
    let kind = |(name, phases): (&str, u32)| PluginKind {
        name: name.into(),
        priority: 1.0,
        version: "1".into(),
        phases,
    };
    [("one", Phase::Access.bit()), ("two", Phase::Log.bit())].map(kind).to_vec()
}

/// What a snapshot does with some requests: route, service, path to the upstream, and the plugins without a consumer and
/// with one; and what it has besides.
fn ways(snapshot: &Snapshot) -> Vec<String> {
    let mut ways: Vec<String> = PATHS.iter().map(|path| way(snapshot, path).unwrap_or_default()).collect();
    let global = snapshot.plans.global();
    ways.push(format!("global {}", steps(snapshot, global)));
    let mut upstreams: Vec<String> = snapshot
        .upstreams
        .iter()
        .map(|upstream| {
            let targets: Vec<String> = upstream.targets.iter().map(|target| format!("{target:?}")).collect();
            format!("{} {targets:?}", upstream.name)
        })
        .collect();
    upstreams.sort();
    ways.extend(upstreams);
    ways.extend(["x", "y", "z"].map(|name| format!("{:?}", snapshot.certificates.find(name))));
    ways.push(format!(
        "{} {} {} {}",
        snapshot.routes.len(),
        snapshot.services.len(),
        snapshot.plugins.len(),
        snapshot.router.len()
    ));
    ways
}

fn way(snapshot: &Snapshot, path: &str) -> Option<String> {
    let input = MatchInput { method: "GET", path: path.as_bytes(), ..MatchInput::default() };
    let found = snapshot.router.find(&input)?;
    let route = snapshot.routes.get(found.route)?;
    let service = route.service.and_then(|at| snapshot.services.get(at));
    let mut upstream = Vec::new();
    snapshot.router.upstream_path(&found)?.write(path.as_bytes(), found.path, &mut upstream);
    let named = service.map(|service| format!("{:?}:{}", service.name, service.port));
    let of_consumer: Vec<_> = (0..snapshot.kinds.len())
        .map(|kind| snapshot.plans.instance(kind, Some(found.route), route.service, Some("c")))
        .map(|at| at.and_then(|at| Some(snapshot.plugins.get(at)?.id.clone())))
        .collect();
    Some(format!(
        "{path}: {:?} {named:?} {} [{}] {of_consumer:?}",
        route.name.as_ref().unwrap_or(&route.id),
        String::from_utf8(upstream).unwrap(),
        steps(snapshot, snapshot.plans.of_route(found.route)),
    ))
}

fn steps(snapshot: &Snapshot, plan: &Plan) -> String {
    let step = |step: &Step| {
        let plugin = step.plugin.map(|at| snapshot.plugins.get(at).unwrap());
        let plugin = plugin.map(|plugin| (plugin.id.clone(), plugin.config.to_string()));
        format!("{} {plugin:?} {};", step.kind, step.by_consumer)
    };
    plan.steps.iter().map(step).chain([plan.phases.to_string()]).collect()
}

/// A small world in which all that can change does: ids to what an entity says.
type World = BTreeMap<(&'static str, u8), Value>;

fn row((kind, number): (&'static str, u8), said: &Value) -> Arc<Entity> {
    let mut row = said.as_object().unwrap().clone();
    row.insert("id".to_owned(), id(kind, number));
    Arc::new(row)
}

fn id(kind: &str, number: u8) -> Value {
    json!(format!("{}0000000-0000-4000-8000-0000000000{number:02}", kind.len() % 10))
}

fn reference(kind: &str, number: u8) -> Value {
    json!({ "id": id(kind, number) })
}

fn entity() -> impl Strategy<Value = ((&'static str, u8), Option<Value>)> {
    let service = (1..3_u16, prop::option::of("/[uv]"), prop::bool::weighted(0.7)).prop_map(
        |(port, path, enabled)| json!({"name": "s", "host": "h", "port": port, "path": path, "enabled": enabled}),
    );
    let route = (
        prop::option::of(0..3_u8),
        prop::collection::vec("(/|/a|/b|~/c\\d|/c)", 1..3),
        any::<bool>(),
        prop::sample::select(vec![vec!["http"], vec!["https"], vec!["http", "https"]]),
    )
        .prop_map(|(service, paths, strip, protocols)| {
            let service = service.map_or(Value::Null, |number| reference("services", number));
            json!({"service": service, "paths": paths, "strip_path": strip, "protocols": protocols})
        });
    let plugin = (
        prop::sample::select(vec!["one", "two", "three"]),
        prop::option::of(0..3_u8),
        prop::option::of(0..3_u8),
        prop::option::weighted(0.3, Just("c")),
        0..3_u8,
        prop::bool::weighted(0.8),
    )
        .prop_map(|(name, service, route, consumer, config, enabled)| {
            let to = |kind: &str, number: Option<u8>| number.map_or(Value::Null, |at| reference(kind, at));
            json!({"name": name, "service": to("services", service), "route": to("routes", route),
                "consumer": consumer.map_or(Value::Null, |id| json!({"id": id})), "enabled": enabled,
                "config": {"n": config}, "protocols": ["http"]})
        });
    let upstream = "[ab]".prop_map(|name| json!({"name": name}));
    let target = (0..2_u8, 1..3_u16, 0..4_u8).prop_map(|(upstream, port, created)| {
        json!({"upstream": reference("upstreams", upstream), "target": format!("10.0.0.1:{port}"), "weight": 1,
            "created_at": created})
    });
    let sni = (prop::sample::select(vec!["x", "y", "z"]), 0..2_u8)
        .prop_map(|(name, to)| json!({"name": name, "certificate": reference("certificates", to)}));
    let of = |kind: &'static str, count: u8, said: BoxedStrategy<Value>| {
        (0..count, prop::option::weighted(0.75, said)).prop_map(move |(number, said)| ((kind, number), said))
    };
    prop_oneof![
        of("services", 3, service.boxed()),
        of("routes", 6, route.boxed()),
        of("plugins", 6, plugin.boxed()),
        of("upstreams", 2, upstream.boxed()),
        of("targets", 4, target.boxed()),
        of("snis", 3, sni.boxed()),
    ]
}

/// What a store lets nobody write: two plugins of a kind for the same, and two server names.
fn is_unique(world: &World) -> bool {
    let mut seen = BTreeSet::new();
    world.iter().all(|((kind, _), said)| match *kind {
        "plugins" => seen.insert(
            [&said["name"], &said["service"], &said["route"], &said["consumer"]]
                .map(Value::to_string)
                .concat(),
        ),
        "snis" => seen.insert(said["name"].to_string()),
        _ => true,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_snapshot_that_takes_over_from_another_is_the_one_that_does_not(
        texts in prop::collection::vec(texts(), 2..5),
    ) {
        let reader = reader();
        let mut snapshot = Snapshot::default();
        for text in &texts {
            snapshot = after(&reader, &snapshot, text);
            let fresh = after(&reader, &Snapshot::default(), text);
            prop_assert_eq!(ways(&snapshot), ways(&fresh));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_snapshot_changed_row_by_row_is_the_one_built_of_all_rows(
        batches in prop::collection::vec(prop::collection::vec(entity(), 1..4), 1..25),
        flavor in prop::sample::select(FLAVORS.to_vec()),
    ) {
        let reader = reader();
        let model = reader.model().clone();
        let mut world = World::new();
        let empty = Arc::new(Dataset::empty(model.clone()));
        let mut snapshot = build(empty, kinds(), flavor).0;
        // Enough routes that one of them is few among all.
        let many: Vec<_> = (20..60).map(|number| {
            (("routes", number), Some(json!({"paths": [format!("/many/{number}")], "protocols": ["http", "https"]})))
        }).collect();
        for batch in std::iter::once(many).chain(batches) {
            let mut next = world.clone();
            for (key, said) in &batch {
                match said {
                    Some(said) => drop(next.insert(*key, said.clone())),
                    None => drop(next.remove(key)),
                }
            }
            if !is_unique(&next) {
                continue;
            }
            world = next;
            let mut changes = indexmap::IndexMap::<String, BTreeMap<Arc<str>, Option<Arc<Entity>>>>::new();
            for ((kind, number), _) in &batch {
                let now = world.get(&(*kind, *number)).map(|said| row((kind, *number), said));
                let key = Arc::from(id(kind, *number).as_str().unwrap());
                changes.entry((*kind).to_owned()).or_default().insert(key, now);
            }
            let changes = changes.into_iter().map(|(kind, rows)| (kind, rows.into_iter().collect())).collect();
            let dataset = snapshot.dataset.as_ref().unwrap().with(&changes, "x").unwrap();
            snapshot = build_after(&snapshot, Arc::new(dataset), kinds(), flavor).0;
            let mut rows = Entities::new();
            for (key, said) in &world {
                let row = row(*key, said);
                rows.entry(key.0.to_owned()).or_default().insert(row["id"].as_str().unwrap().into(), row);
            }
            let fresh = Arc::new(Dataset::build(model.clone(), rows, "x").unwrap());
            let fresh = build(fresh, kinds(), flavor).0;
            prop_assert_eq!(ways(&snapshot), ways(&fresh), "after {:?}", batch);
        }
    }
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
                    text.push_str(&format!("{{name: {route}, paths: ['{path}'], strip_path: {strip}}}, "));
                }
            }
            text.push_str("]}\n");
        }
        text
    })
}

const SHARED: &str = "_format_version: '3.0'\nservices:\n- {name: b, host: h, port: 1PATH, routes: [{name: r, paths: ['~/c\\d']}, MORE]}\n";

#[test]
fn routes_are_taken_over_while_the_path_of_their_service_stays() {
    let reader = reader();
    let more: String = (0..20).map(|number| format!("{{name: m{number}, paths: [/m{number}]}}, ")).collect();
    let shared = SHARED.replace("MORE", &more);
    let one = after(&reader, &Snapshot::default(), &shared.replace("PATH", ""));
    let other = after(&reader, &one, &format!("{}- {{name: a, host: h}}\n", shared.replace("PATH", "")));
    let route = |snapshot: &Snapshot| {
        snapshot.routes.places().find(|(_, route)| route.name.as_deref() == Some("r")).unwrap().0
    };
    assert_eq!(route(&one), route(&other));
    assert!(one.router.shares(&other.router, route(&one)));
    assert_eq!(ways(&one)[..6], ways(&other)[..6]);
    let third = after(&reader, &other, &shared.replace("PATH", ", path: /u"));
    assert!(!other.router.shares(&third.router, route(&third)));
    assert!(ways(&third)[4].contains(" /u"), "{:?}", ways(&third));
}
