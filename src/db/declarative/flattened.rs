//! The errors of a configuration as a flat list of entities, for clients that want to show them beside
//! their input (`flatten_errors`).

use serde_json::{Map, Value, json};

use crate::db::lua_literal::key_text;
use crate::db::{DbError, Model};
use crate::schema::is_uuid;

/// The error of a configuration with its list of wrong entities.
///
/// *Kong parity*: sections and entries from the last to the first, entities below others before these;
/// what belongs to no entity stays in `fields`.
pub fn flattened(
    model: &Model,
    errors: Map<String, Value>,
    mut document: Map<String, Value>,
) -> Map<String, Value> {
    let mut list = Vec::new();
    let mut rest = Map::new();
    for (section, errors) in descending(errors) {
        let entities =
            document.get_mut(&section).filter(|entities| entities.is_array() || entities.is_object());
        match (entities, entries(&errors)) {
            (Some(entities), Some(errors)) => {
                for (place, error) in errors {
                    let entity = match &place {
                        Place::Index(index) => entities.get_mut(index - 1).map(Value::take),
                        Place::Key(key) => entities.get_mut(key).map(Value::take),
                    };
                    if let Some(Value::Object(entity)) = entity {
                        add_entity(model, &section, entity, error, &mut list);
                    }
                }
            }
            _ => {
                rest.insert(section, errors);
            }
        }
    }
    let mut body = DbError::declarative_config(rest).to_json();
    let list = if list.is_empty() { json!({}) } else { Value::Array(list) };
    body.insert("flattened_errors".to_owned(), list);
    body
}

/// The place of an error within a list or a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Index(usize),
    Key(String),
}

/// The errors of a tree's level from the last to the first; `None` for a message.
fn entries(errors: &Value) -> Option<Vec<(Place, Value)>> {
    match errors {
        Value::Array(list) => {
            let holes = list.iter().enumerate().filter(|(_, error)| !error.is_null());
            Some(holes.rev().map(|(index, error)| (Place::Index(index + 1), error.clone())).collect())
        }
        Value::Object(map) => {
            let place = |key: &str| match crate::db::lua_literal::key_number(key) {
                Some(number) if number > 0 => Place::Index(number),
                _ => Place::Key(key.to_owned()),
            };
            let mut all: Vec<(Place, Value)> =
                map.iter().map(|(key, error)| (place(key), error.clone())).collect();
            all.sort_by(|(a, _), (b, _)| b.cmp(a));
            Some(all)
        }
        _ => None,
    }
}

fn descending(errors: Map<String, Value>) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = errors.into_iter().collect();
    all.sort_by(|(a, _), (b, _)| b.cmp(a));
    all
}

fn add_entity(
    model: &Model,
    kind: &str,
    mut entity: Map<String, Value>,
    errors: Value,
    list: &mut Vec<Value>,
) {
    let mut errors = match errors {
        Value::Object(errors) if !errors.is_empty() => errors,
        Value::String(message) => Map::from_iter([("@entity".to_owned(), Value::from(message))]),
        _ => return,
    };
    move_related(model, kind, &mut entity, &mut errors, list);
    let mut flat = Vec::new();
    for (place, error) in entries(&Value::Object(errors)).unwrap_or_default() {
        categorize("", place, error, &mut flat);
    }
    if flat.is_empty() {
        return;
    }
    list.push(Value::Object(described(kind, entity, flat)));
}

/// Takes errors of entities below this one, and of one it contains, out and into the list.
fn move_related(
    model: &Model,
    kind: &str,
    entity: &mut Map<String, Value>,
    errors: &mut Map<String, Value>,
    list: &mut Vec<Value>,
) {
    let own_key = primary_key(entity);
    for field in model.kind(kind).map(|kind| kind.foreign.clone()).unwrap_or_default() {
        let Some(Value::Object(inner)) = entity.get(&field.name).cloned() else { continue };
        match primary_key(&inner) {
            Some(key) => entity.insert(field.name.clone(), key),
            None => entity.remove(&field.name),
        };
        if let Some(error) = errors.remove(&field.name) {
            add_entity(model, &field.reference, inner, error, list);
        }
    }
    for (child, field) in model.children(kind) {
        if !entity.get(&child.name).is_some_and(|items| items.is_array() || items.is_object()) {
            continue;
        }
        let Some(Value::Array(items)) = entity.remove(&child.name) else { continue };
        let Some(Value::Array(wrong)) = errors.remove(&child.name) else { continue };
        for (item, error) in items.into_iter().zip(wrong) {
            let Value::Object(mut item) = item else { continue };
            if let Some(key) = own_key.as_ref().filter(|_| !item.contains_key(&field.name)) {
                item.insert(field.name.clone(), key.clone());
            }
            add_entity(model, &child.name, item, error, list);
        }
    }
}

fn categorize(prefix: &str, place: Place, error: Value, flat: &mut Vec<Value>) {
    let name = match place {
        Place::Key(key) if key == "@entity" => return add_messages(error, flat),
        Place::Key(key) => key_text(&key).to_owned(),
        Place::Index(index) => index.to_string(),
    };
    let field = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
    match entries(&error) {
        Some(nested) => nested.into_iter().for_each(|(place, error)| categorize(&field, place, error, flat)),
        None => flat.push(json!({"type": "field", "field": field, "message": error})),
    }
}

fn add_messages(error: Value, flat: &mut Vec<Value>) {
    match error {
        Value::Array(list) => list.into_iter().for_each(|error| add_messages(error, flat)),
        message => flat.push(json!({"type": "entity", "message": message})),
    }
}

fn described(kind: &str, entity: Map<String, Value>, errors: Vec<Value>) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(name) = entity.get("name").filter(|name| name.as_str().is_some_and(|name| !name.is_empty())) {
        body.insert("entity_name".to_owned(), name.clone());
    }
    if let Some(id) = entity.get("id").filter(|id| id.as_str().is_some_and(is_uuid)) {
        body.insert("entity_id".to_owned(), id.clone());
    }
    let are_tags = |tags: &&Value| tags.as_array().is_some_and(|tags| tags.iter().all(Value::is_string));
    if let Some(tags) = entity.get("tags").filter(are_tags) {
        body.insert("entity_tags".to_owned(), tags.clone());
    }
    body.insert("entity_type".to_owned(), Value::from(kind.strip_suffix('s').unwrap_or(kind)));
    body.insert("entity".to_owned(), Value::Object(entity));
    body.insert("errors".to_owned(), Value::Array(errors));
    body
}

fn primary_key(entity: &Map<String, Value>) -> Option<Value> {
    let id = entity.get("id").filter(|id| id.as_str().is_some_and(is_uuid))?;
    Some(json!({ "id": id }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{EntityModel, ForeignField};

    fn model() -> Model {
        let field = ForeignField {
            name: "service".to_owned(),
            reference: "services".to_owned(),
            cascades: false,
            admin_api: true,
        };
        let kind =
            |name: &str, foreign| EntityModel { name: name.to_owned(), foreign, ..EntityModel::default() };
        Model::new([kind("services", Vec::new()), kind("routes", vec![field])])
    }

    fn table(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn errors_of_nested_entities_come_first_and_know_their_parent() {
        let id = "d2e33f63-1424-408f-be55-d9d16cd2a382";
        let document = json!({"services": [
            {"name": "good"},
            {"name": "bad", "id": id, "tags": ["t"], "routes": [{"name": "r", "paths": ["/a", 1]}]},
        ]});
        let errors = json!({
            "services": [null, {
                "host": "required field missing",
                "@entity": ["check failed"],
                "routes": [{"paths": [null, "expected a string"]}],
            }],
            "colour": "unknown field",
        });
        let body = flattened(&model(), table(errors), table(document));
        assert_eq!(body["fields"], json!({"colour": "unknown field"}));
        assert_eq!(
            body["flattened_errors"],
            json!([
                {
                    "entity_name": "r",
                    "entity_type": "route",
                    "entity": {"name": "r", "paths": ["/a", 1], "service": {"id": id}},
                    "errors": [{"type": "field", "field": "paths.2", "message": "expected a string"}],
                },
                {
                    "entity_name": "bad",
                    "entity_id": id,
                    "entity_tags": ["t"],
                    "entity_type": "service",
                    "entity": {"name": "bad", "id": id, "tags": ["t"]},
                    "errors": [
                        {"type": "field", "field": "host", "message": "required field missing"},
                        {"type": "entity", "message": "check failed"},
                    ],
                },
            ])
        );
    }

    #[test]
    fn a_message_for_a_whole_entity_is_one_of_the_entity() {
        let body = flattened(
            &model(),
            table(json!({"services": ["taken"]})),
            table(json!({"services": [{"name": "x"}]})),
        );
        assert_eq!(body["flattened_errors"][0]["errors"], json!([{"type": "entity", "message": "taken"}]));
    }
}
