//! Changes that a store is asked to make, and what became of them.

use std::sync::Arc;

use serde_json::Value;

use super::{DbError, Entity, EntityModel};

/// One change of one row. Changes are handed over in batches, which a store applies whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The kind of the entity.
    pub kind: String,
    /// The workspace it is in; `None` for kinds without one, and to address rows of any.
    pub workspace: Option<String>,
    /// What is done.
    pub write: Write,
    /// Also to a row that has expired and was not swept yet.
    pub skip_ttl: bool,
}

/// What is done to a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// A new row: all stored fields, the primary key and, where the kind has one, `ws_id` among them.
    Insert(Entity, Expiry),
    /// Puts these fields in the place of those the row has; others stay.
    ///
    /// *Errors*: not found.
    Update(Place, Entity, Expiry),
    /// A new row, or in the place of the one that is there: all stored fields. Addressed by a unique field, the row
    /// that is there keeps its primary key.
    Upsert(Place, Entity, Expiry),
    /// Removes the row, and those below it that are deleted with it. One that is not there is no error.
    Delete(Place),
}

/// Which row a write is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// The one with this primary key.
    Key(Entity),
    /// The one with this value of a unique field.
    Field(String, Value),
}

/// When a row ends, in seconds since 1970; only for kinds with a ttl.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expiry {
    /// As it was; for a new row, never.
    Keep,
    /// Never.
    Never,
    /// At this time.
    At(f64),
}

/// A change that was made: the row before and after it, both with `ws_id` where the kind has one and with the
/// seconds it has left as `ttl`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// The kind of the entity.
    pub kind: String,
    /// The row as it was; none if there was none.
    pub before: Option<Arc<Entity>>,
    /// The row as it is; none if it was deleted.
    pub after: Option<Arc<Entity>>,
    /// The rows that were deleted with it, those below before those above.
    pub cascaded: Vec<Removed>,
}

/// A row that went with another.
#[derive(Debug, Clone, PartialEq)]
pub struct Removed {
    /// The kind of the entity.
    pub kind: String,
    /// The row as it was.
    pub entity: Arc<Entity>,
}

impl Change {
    /// A change in a workspace, which is left out for kinds that have none.
    pub fn new(model: &EntityModel, workspace: Option<&str>, write: Write) -> Change {
        let workspace = workspace.filter(|_| model.workspaceable).map(str::to_owned);
        Change { kind: model.name.clone(), workspace, write, skip_ttl: false }
    }
}

impl Place {
    /// The error where there is no such row.
    pub fn not_found(self) -> DbError {
        match self {
            Place::Key(key) => DbError::not_found(key),
            Place::Field(field, value) => DbError::not_found_by_field(Entity::from_iter([(field, value)])),
        }
    }
}

impl Expiry {
    /// The end of a row that lives for `ttl` seconds, 0 for ever; `None` says nothing about it.
    ///
    /// *Kong parity*: counted from `created_at` of a new row and from `updated_at` of a changed one, if it has that,
    /// else from now.
    pub fn of(ttl: Option<i64>, entity: &Entity, is_update: bool, now: f64) -> Expiry {
        let Some(ttl) = ttl else { return Expiry::Keep };
        if ttl == 0 {
            return Expiry::Never;
        }
        let since = if is_update { "updated_at" } else { "created_at" };
        Expiry::At(entity.get(since).and_then(Value::as_f64).unwrap_or(now) + ttl as f64)
    }
}

impl Written {
    /// Whether the store is as it was.
    pub fn is_nothing(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }

    /// The word that events have for it: `create`, `update` or `delete`.
    pub fn operation(&self) -> &'static str {
        match (&self.before, &self.after) {
            (_, None) => "delete",
            (None, Some(_)) => "create",
            (Some(_), Some(_)) => "update",
        }
    }
}
