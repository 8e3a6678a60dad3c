//! What the core entities accept, refuse and fill in, in tables.

mod others;
mod registry;
mod routes;
mod services;
mod upstreams;

use super::{Registry, RouterFlavor};
use crate::schema::{AutoOptions, Context};
use serde_json::{Map, Value};

fn registry() -> Registry {
    Registry::core(RouterFlavor::TraditionalCompatible).expect("core schemas")
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

/// Fills in and validates a new entity: the entity, or the error tree.
fn insert(registry: &Registry, entity: &str, input: Value) -> Result<Value, Value> {
    let schema = registry.named(entity).expect(entity);
    let processed = schema
        .process_auto_fields(object(input), Context::Insert, &AutoOptions::default())
        .map_err(Value::Object)?;
    schema.validate_insert(&processed.data, None).map_err(Value::Object)?;
    Ok(processed.data.into())
}

/// Each case: entity, input, the error tree (`null` when the input is accepted).
fn check(registry: &Registry, entity: &str, cases: &[(Value, Value)]) {
    for (input, expected) in cases {
        let errors = insert(registry, entity, input.clone()).err().unwrap_or(Value::Null);
        assert_eq!(&errors, expected, "{entity}: {input}");
    }
}

const ID: &str = "cbb297c0-a956-486d-ad1d-f9b42df9465a";
