//! What holds of all entities: updates, reading, order, cache keys, errors, and the time that they take.

use super::{ID, insert, object, registry};
use crate::entities::CORE_ENTITIES;
use crate::schema::{AutoOptions, Context, errors_to_string};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn an_update_leaves_absent_fields_alone_and_speaks_of_updating() {
    let registry = registry();
    let consumers = registry.named("consumers").expect("consumers");
    let data = consumers
        .process_auto_fields(object(json!({"tags": ["a", "a"]})), Context::Update, &AutoOptions::default())
        .expect("update")
        .data;
    assert_eq!(data["tags"], json!(["a"]));
    assert!(!data.contains_key("username") && data.contains_key("updated_at"));
    assert_eq!(consumers.validate_update(&data, None, None), Ok(()));
    let input = object(json!({"username": null, "custom_id": null}));
    assert_eq!(
        consumers.validate_update(&input, None, None).map_err(Value::Object),
        Err(json!({
            "@entity": ["when updating, at least one of these fields must be non-empty: 'custom_id', 'username'"],
        }))
    );
}

#[test]
fn reading_drops_nulls_unless_they_are_asked_for() {
    let registry = registry();
    let consumers = registry.named("consumers").expect("consumers");
    let stored =
        object(json!({"id": ID, "username": "a", "custom_id": null, "ws_id": "w", "created_at": 1.0}));
    let read = |nulls: bool, show_ws_id: bool| {
        let options = AutoOptions { nulls, show_ws_id, ..AutoOptions::default() };
        let data =
            consumers.process_auto_fields(stored.clone(), Context::Select, &options).expect("read").data;
        Value::Object(data)
    };
    assert_eq!(read(false, false), json!({"id": ID, "created_at": 1, "username": "a"}));
    let shown = read(true, true);
    assert_eq!(shown["custom_id"], json!(null));
    assert_eq!(shown["ws_id"], json!("w"));
}

#[test]
fn core_schemas_satisfy_the_schema_of_schemas() {
    for name in CORE_ENTITIES {
        let schema = crate::entities::definition(name, None).expect(name);
        let definition = schema.definition(&|_| Some(crate::schema::value::opaque(1)));
        let errors = crate::schema::metaschema::validate_entity(&object(definition));
        assert_eq!(errors.map_err(Value::Object), Ok(()), "{name}");
    }
}

#[test]
fn core_schemas_exist_and_sort_after_what_they_refer_to() {
    let registry = registry();
    let names: Vec<String> = registry.sorted().iter().map(|schema| schema.name.clone()).collect();
    assert_eq!(names.len(), CORE_ENTITIES.len());
    for (place, schema) in registry.sorted().iter().enumerate() {
        for (_, foreign) in schema.foreign_fields() {
            let target = names.iter().position(|name| *name == foreign.reference).expect("known");
            assert!(target < place, "{} before {}", schema.name, foreign.reference);
        }
    }
    let on_services: Vec<String> = registry
        .constraints("services")
        .into_iter()
        .map(|constraint| constraint.schema.name.clone())
        .collect();
    assert_eq!(on_services, ["routes", "plugins", "filter_chains"]);
}

#[test]
fn cache_keys_join_the_name_five_values_and_the_workspace() {
    let registry = registry();
    let plugins = registry.named("plugins").expect("plugins");
    let plugin = object(json!({"id": ID, "name": "cors", "route": {"id": "r"}, "service": null}));
    assert_eq!(plugins.cache_key_of(&plugin, Some("w")), "plugins:cors:r::::w");
    let consumers = registry.named("consumers").expect("consumers");
    assert_eq!(consumers.cache_key_of(&object(json!({"id": "i"})), Some("w")), "consumers:i:::::w");
}

#[test]
fn errors_read_as_one_text() {
    let errors = object(json!({"@entity": ["a"], "b": {"c": "d"}, "e": "f"}));
    assert_eq!(
        errors_to_string(&errors).as_deref(),
        Some("Validation error: a; b: Validation error: c: d; e: f")
    );
}

/// The bound is for release builds; others get more time.
#[test]
fn ten_thousand_entities_are_filled_in_and_validated_in_a_fraction_of_a_second() {
    let bound = if cfg!(debug_assertions) { Duration::from_secs(20) } else { Duration::from_millis(300) };
    let registry = registry();
    for (entity, make) in [
        ("consumers", (|n| json!({"username": format!("c{n}"), "tags": ["a"]})) as fn(usize) -> Value),
        (
            "routes",
            |n| json!({"paths": [format!("/r/{n}")], "hosts": ["example.com"], "service": {"id": ID}}),
        ),
    ] {
        let inputs: Vec<Value> = (0..10_000).map(make).collect();
        let start = Instant::now();
        for input in inputs {
            insert(&registry, entity, input).expect("valid");
        }
        let taken = start.elapsed();
        println!("{entity}: {taken:?}");
        assert!(taken < bound, "{entity} took {taken:?}");
    }
}
