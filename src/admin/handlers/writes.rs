//! Writes of entities: checked as if they were done, then refused, since there is no database.
//!
//! *Kong parity*: what is wrong with the entity is told before the refusal; a delete of what is not there
//! succeeds.

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value};

use super::entities::{child_of, found, parameter};
use crate::admin::api::written;
use crate::admin::call::Call;
use crate::admin::endpoint::{Action, Matched, Relation};
use crate::admin::node::Node;
use crate::admin::reply::Reply;
use crate::db::off::{Dataset, Write, refuse as refusal};
use crate::db::{DbError, Entity};
use crate::schema::{AutoOptions, Context, Schema, is_uuid};

/// Answers a write to an endpoint of entities.
pub(in crate::admin) fn refuse(node: &dyn Node, call: &Call, matched: &Matched<'_>) -> Reply {
    if !node.identity().is_dbless {
        return Reply::message(501, "not implemented: this version does not write to a database yet");
    }
    let body = match written(call) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let dataset = node.dataset();
    let write = Attempt { node, call, dataset: &dataset, body };
    match &matched.endpoint.action {
        Action::Collection(kind) => write.insert(kind),
        Action::Children(relation) => write.insert_below(relation, matched),
        Action::Entity(kind) => write.change(kind, &parameter(matched, 0)),
        Action::Child(relation) => write.change_below(relation, matched),
        Action::Parent(relation) => write.change_parent(relation, matched),
        Action::Tags | Action::Tag => {
            let message = "does not support insert/upsert/update/delete operations";
            DbError::schema_violation(Map::from_iter([("tags".to_owned(), Value::from(message))])).into()
        }
        _ => Reply::method_not_allowed(),
    }
}

/// A write on its way to the refusal.
struct Attempt<'a> {
    node: &'a dyn Node,
    call: &'a Call,
    dataset: &'a Dataset,
    body: Map<String, Value>,
}

impl Attempt<'_> {
    fn insert(self, kind: &str) -> Reply {
        match self.check_new(kind) {
            Ok(()) => refusal(Write::Insert, kind, None).into(),
            Err(error) => error.into(),
        }
    }

    fn insert_below(mut self, relation: &Relation, matched: &Matched<'_>) -> Reply {
        match found(self.node, self.dataset, &relation.parent, &parameter(matched, 0)) {
            Ok(Some(parent)) => {
                let key = self.key_of(&relation.parent, &parent);
                self.body.insert(relation.field.clone(), key);
                self.insert(&relation.child)
            }
            Ok(None) => Reply::not_found(),
            Err(error) => error.into(),
        }
    }

    fn change(self, kind: &str, key: &str) -> Reply {
        let known = found(self.node, self.dataset, kind, key);
        let by = self.endpoint_key(kind).filter(|_| !is_uuid(key));
        match (known, &self.call.method) {
            (Err(error), _) => error.into(),
            (Ok(None), &Method::DELETE) => Reply::empty(204),
            (Ok(Some(_)), &Method::DELETE) => refusal(Write::Delete, kind, by.as_deref()).into(),
            (Ok(None), &Method::PATCH) => not_found(key, by.as_deref()).into(),
            (Ok(Some(known)), &Method::PATCH) => self.update(kind, &known, by.as_deref()),
            (Ok(_), _) => self.upsert(kind, key, by.as_deref()),
        }
    }

    fn change_below(self, relation: &Relation, matched: &Matched<'_>) -> Reply {
        if self.call.method == Method::PUT && relation.child != "targets" {
            return match found(self.node, self.dataset, &relation.parent, &parameter(matched, 0)) {
                Ok(Some(parent)) => {
                    let key = self.key_of(&relation.parent, &parent);
                    let mut body = self.body.clone();
                    body.insert(relation.field.clone(), key);
                    Attempt { body, ..self }.change(&relation.child, &parameter(matched, 1))
                }
                Ok(None) => Reply::not_found(),
                Err(error) => error.into(),
            };
        }
        match child_of(self.node, self.dataset, relation, matched) {
            Ok(Some(child)) if relation.child == "targets" => {
                let method =
                    if self.call.method == Method::PUT { Method::PATCH } else { self.call.method.clone() };
                let call = Call { method, ..self.call.clone() };
                let id = child.get("id").and_then(Value::as_str).unwrap_or_default();
                Attempt { call: &call, node: self.node, dataset: self.dataset, body: self.body }
                    .change(&relation.child, id)
            }
            Ok(Some(_)) => self.change(&relation.child, &parameter(matched, 1)),
            Ok(None) => Reply::not_found(),
            Err(error) => error.into(),
        }
    }

    fn change_parent(self, relation: &Relation, matched: &Matched<'_>) -> Reply {
        let child = match found(self.node, self.dataset, &relation.child, &parameter(matched, 0)) {
            Ok(Some(child)) => child,
            Ok(None) => return Reply::not_found(),
            Err(error) => return error.into(),
        };
        let key = child.get(&relation.field).and_then(|key| key.get("id")).and_then(Value::as_str);
        match (key, &self.call.method) {
            (None, &Method::PUT) => self.upsert(&relation.parent, &uuid::Uuid::new_v4().to_string(), None),
            (None, _) => Reply::not_found(),
            (Some(_), &Method::DELETE) => Reply::method_not_allowed(),
            (Some(key), _) => self.change(&relation.parent, key),
        }
    }

    fn update(&self, kind: &str, known: &Arc<Entity>, by: Option<&str>) -> Reply {
        match self.schema(kind).map(|schema| check_update(&schema, self.body.clone(), known)) {
            Some(Err(error)) => error.into(),
            _ => refusal(Write::Update, kind, by).into(),
        }
    }

    fn upsert(mut self, kind: &str, key: &str, by: Option<&str>) -> Reply {
        let field = by.unwrap_or("id");
        self.body.insert(field.to_owned(), Value::from(key));
        match self.check_new(kind) {
            Ok(()) => refusal(Write::Upsert, kind, by).into(),
            Err(error) => error.into(),
        }
    }

    fn check_new(&self, kind: &str) -> Result<(), DbError> {
        let Some(schema) = self.schema(kind) else { return Ok(()) };
        let mut input = self.body.clone();
        input.shift_remove("snis");
        let processed = schema.process_auto_fields(input.clone(), Context::Insert, &AutoOptions::default());
        let processed = processed.map_err(DbError::schema_violation)?;
        schema.validate_insert(&processed.data, Some(&input)).map_err(DbError::schema_violation)
    }

    /// The schema to check a JSON body by; forms have text only and are not checked.
    fn schema(&self, kind: &str) -> Option<std::rc::Rc<Schema>> {
        let is_form = self.call.content_type().is_some_and(|kind| !kind.contains("json"));
        if is_form { None } else { self.node.registry().named(kind) }
    }

    fn endpoint_key(&self, kind: &str) -> Option<String> {
        self.dataset.collection(kind)?.model().endpoint_key.clone()
    }

    fn key_of(&self, kind: &str, entity: &Entity) -> Value {
        let model = self.dataset.model().kind(kind);
        Value::Object(model.map(|model| model.primary_key_of(entity)).unwrap_or_default())
    }
}

fn check_update(schema: &Schema, body: Map<String, Value>, known: &Entity) -> Result<(), DbError> {
    let processed = schema.process_auto_fields(body.clone(), Context::Update, &AutoOptions::default());
    let processed = processed.map_err(DbError::schema_violation)?;
    if processed.check_immutable_fields {
        schema.validate_immutable_fields(&processed.data, known).map_err(DbError::schema_violation)?;
    }
    let merged = schema.merge_values(&processed.data, known);
    schema.validate_update(&merged, Some(&body), Some(known)).map_err(DbError::schema_violation)
}

fn not_found(key: &str, by: Option<&str>) -> DbError {
    let filter = Map::from_iter([(by.unwrap_or("id").to_owned(), Value::from(key))]);
    match by {
        Some(_) => DbError::not_found_by_field(filter),
        None => DbError::not_found(filter),
    }
}
