//! Notes of changes, by which nodes that share a database hear what to read anew.
//!
//! A store adds one to each batch of changes, in the same transaction, as an event of the channel [`CHANNEL`] that is
//! signed by the store's [`author`](super::Store::author). What other gateways write has none; they send events of
//! their own.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{ClusterEvent, Entity, Model, Written};

/// The channel of notes.
pub const CHANNEL: &str = "kong:changes";

/// More rows than this are not named one by one.
const MANY: usize = 1000;
/// How long notes are kept, in seconds.
const LIFETIME: f64 = 3600.0;

/// What a note says.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// These rows were written or removed: kind and primary key.
    Rows(Vec<(String, Entity)>),
    /// Too many to be named.
    Everything,
}

impl Note {
    /// What a note's text says; one that cannot be read says the most.
    pub fn read(text: &str) -> Note {
        serde_json::from_str(text).map_or(Note::Everything, Note::Rows)
    }
}

/// The note of a batch of changes; `None` where nothing changed.
pub fn event(author: &str, written: &[Written], model: &Model) -> Option<ClusterEvent> {
    let mut rows = Vec::new();
    for change in written {
        let own = change.after.as_ref().or(change.before.as_ref()).map(|row| (&change.kind, row));
        let gone = change.cascaded.iter().map(|gone| (&gone.kind, &gone.entity));
        for (kind, row) in own.into_iter().chain(gone) {
            let Some(kind) = model.kind(kind) else { continue };
            rows.push(json!([kind.name, Value::Object(kind.primary_key_of(row))]));
        }
    }
    if rows.is_empty() {
        return None;
    }
    let data = if rows.len() > MANY { json!("*") } else { Value::Array(rows) };
    Some(signed(author, &data))
}

/// The note of a change that names no rows.
pub fn everything(author: &str) -> ClusterEvent {
    signed(author, &json!("*"))
}

fn signed(author: &str, data: &Value) -> ClusterEvent {
    ClusterEvent {
        id: Uuid::new_v4().to_string(),
        node_id: author.to_owned(),
        at: 0.0,
        not_before: None,
        lifetime: LIFETIME,
        channel: CHANNEL.to_owned(),
        data: data.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::db::{EntityModel, Removed};

    fn model() -> Model {
        let kind = |name: &str| EntityModel {
            name: name.to_owned(),
            primary_key: vec!["id".to_owned()],
            ..EntityModel::default()
        };
        Model::new([kind("routes"), kind("plugins")])
    }

    fn row(id: usize) -> Arc<Entity> {
        Arc::new(Entity::from_iter([("id".to_owned(), json!(id.to_string())), ("x".to_owned(), json!(1))]))
    }

    #[test]
    fn a_note_names_what_changed_and_what_went_with_it() {
        let cascaded = vec![Removed { kind: "plugins".to_owned(), entity: row(2) }];
        let deleted = Written { kind: "routes".to_owned(), before: Some(row(1)), after: None, cascaded };
        let event = event("me", &[deleted], &model()).unwrap();
        let key = |id: &str| Entity::from_iter([("id".to_owned(), json!(id))]);
        let rows = vec![("routes".to_owned(), key("1")), ("plugins".to_owned(), key("2"))];
        assert_eq!(Note::read(&event.data), Note::Rows(rows));
    }

    #[test]
    fn a_note_of_many_changes_names_none_and_one_of_none_is_not_sent() {
        let made = |id| Written { kind: "routes".to_owned(), after: Some(row(id)), ..Written::default() };
        let many: Vec<Written> = (0..MANY + 1).map(made).collect();
        assert_eq!(Note::read(&event("me", &many, &model()).unwrap().data), Note::Everything);
        let nothing = Written { kind: "routes".to_owned(), ..Written::default() };
        assert!(event("me", &[nothing], &model()).is_none());
    }
}
