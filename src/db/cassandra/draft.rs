//! What rows will be after a batch of changes: what was read, and over it what was changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::read::{self, AT_ONCE};
use super::session::Session;
use super::table::{Stored, Table, index_text};
use super::tables::Tables;
use crate::db::{DbError, Entity};

/// The field that stands for the composite cache key.
pub(super) const CACHE_KEY: &str = "cache_key";

/// From so many questions about a kind on it is looked whether its table is smaller than they are.
const MANY: usize = 500;

/// Rows as they were read and as they will be.
pub(super) struct Draft<'a> {
    session: &'a Session,
    tables: &'a Tables,
    /// Kind and key → row; in the order in which they were met.
    rows: indexmap::IndexMap<(String, String), Slot>,
    /// Kind, field and text of the value → keys of rows that have or had it.
    by_value: HashMap<(String, String, String), Vec<String>>,
    /// What was asked of the cluster already.
    asked: HashSet<Look>,
    /// The kinds of which all rows were read.
    whole: HashSet<String>,
}

/// A row before and after.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// As the cluster has it.
    pub(super) before: Option<Stored>,
    /// As it will be.
    pub(super) after: Option<Stored>,
    /// Its primary key.
    pub(super) key: Entity,
    /// Whether a change touched it.
    pub(super) is_touched: bool,
}

/// A question to the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Look {
    /// The row with a primary key, given as text of JSON, too.
    Key(String, String, String),
    /// The rows with a value of a field, in a workspace where that matters.
    Field(String, String, String, Option<String>),
}

impl Look {
    fn kind(&self) -> &str {
        let (Look::Key(kind, ..) | Look::Field(kind, ..)) = self;
        kind
    }

    /// For the row with a primary key.
    pub(super) fn at_key(table: &Table, key: &Entity) -> Look {
        let key = table.model.primary_key_of(key);
        Look::Key(table.model.name.clone(), table.model.key_text(&key), Value::Object(key).to_string())
    }

    /// For rows with a value of a field.
    pub(super) fn at_field(table: &Table, field: &str, value: &Value, workspace: Option<&str>) -> Look {
        let workspace = workspace.filter(|_| table.needs_workspace(field)).map(str::to_owned);
        Look::Field(table.model.name.clone(), field.to_owned(), index_text(Some(value)), workspace)
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(session: &'a Session, tables: &'a Tables) -> Draft<'a> {
        Draft {
            session,
            tables,
            rows: indexmap::IndexMap::new(),
            by_value: HashMap::new(),
            asked: HashSet::new(),
            whole: HashSet::new(),
        }
    }

    /// Asks several questions at once, so that they are answered when they come up.
    pub(super) async fn ask(&mut self, looks: Vec<Look>) -> Result<(), DbError> {
        let mut new = indexmap::IndexSet::new();
        new.extend(looks.into_iter().filter(|look| !self.asked.contains(look)));
        let mut counts: HashMap<String, usize> = HashMap::new();
        for look in &new {
            *counts.entry(look.kind().to_owned()).or_default() += 1;
        }
        for (kind, count) in counts.into_iter().filter(|(_, count)| *count >= MANY) {
            self.ask_for_all(&kind, count).await?;
        }
        new.retain(|look| !self.whole.contains(look.kind()));
        self.ask_all(new.into_iter().collect()).await
    }

    /// Reads a whole table where its rows are fewer than the questions.
    async fn ask_for_all(&mut self, kind: &str, questions: usize) -> Result<(), DbError> {
        let table = self.tables.of(kind)?;
        if let Some(rows) = read::few(self.session, table, questions).await? {
            for row in rows {
                remember(&mut self.rows, &mut self.by_value, table, row);
            }
            self.whole.insert(kind.to_owned());
        }
        Ok(())
    }

    async fn ask_all(&mut self, looks: Vec<Look>) -> Result<(), DbError> {
        let (session, tables) = (self.session, self.tables);
        let questions = looks.into_iter().map(|look| async move {
            let found = match &look {
                Look::Key(kind, _, key) => {
                    let key: Entity = serde_json::from_str(key).unwrap_or_default();
                    read::at_key(session, tables.of(kind)?, &key).await?.into_iter().collect()
                }
                Look::Field(kind, field, value, workspace) => {
                    let value = Value::from(value.as_str());
                    read::at_field(session, tables.of(kind)?, field, &value, workspace.as_deref()).await?
                }
            };
            Ok::<_, DbError>((look, found))
        });
        let mut answers = stream::iter(questions).buffered(AT_ONCE);
        while let Some((look, found)) = answers.try_next().await? {
            if let Look::Key(kind, text, key) = &look {
                let key = serde_json::from_str(key).unwrap_or_default();
                let slot = || Slot { key, ..Slot::default() };
                if found.is_empty() {
                    self.rows.entry((kind.clone(), text.clone())).or_insert_with(slot);
                }
            }
            let table = self.tables.of(look.kind())?;
            for row in found {
                remember(&mut self.rows, &mut self.by_value, table, row);
            }
            self.asked.insert(look);
        }
        Ok(())
    }

    async fn ask_one(&mut self, look: Look) -> Result<(), DbError> {
        if self.asked.contains(&look) || self.whole.contains(look.kind()) {
            return Ok(());
        }
        self.ask_all(vec![look]).await
    }

    /// The row with a primary key, as it will be.
    pub(super) async fn at_key(&mut self, table: &Table, key: &Entity) -> Result<Option<Stored>, DbError> {
        let text = table.model.key_text(key);
        let place = (table.model.name.clone(), text);
        if !self.rows.contains_key(&place) {
            self.ask_one(Look::at_key(table, key)).await?;
        }
        Ok(self.rows.get(&place).and_then(|slot| slot.after.clone()))
    }

    /// The rows with a value of a field, as they will be, in the order of their keys.
    pub(super) async fn at_field(
        &mut self,
        table: &Table,
        field: &str,
        value: &Value,
        workspace: Option<&str>,
    ) -> Result<Vec<Stored>, DbError> {
        self.ask_one(Look::at_field(table, field, value, workspace)).await?;
        let text = index_text(Some(value));
        let place = (table.model.name.clone(), field.to_owned(), text.clone());
        let mut keys = self.by_value.get(&place).cloned().unwrap_or_default();
        keys.sort_unstable();
        keys.dedup();
        let row = |key: String| {
            let row = self.rows.get(&(table.model.name.clone(), key))?.after.clone()?;
            (field_text(table, &row, field) == text).then_some(row)
        };
        Ok(keys.into_iter().filter_map(row).collect())
    }

    /// Says what a row will be: none if it is removed.
    pub(super) fn put(&mut self, table: &Table, key: &Entity, after: Option<Stored>) {
        let text = table.model.key_text(key);
        if let Some(row) = &after {
            index(&mut self.by_value, table, &text, row);
        }
        let slot = self.rows.entry((table.model.name.clone(), text)).or_default();
        slot.key = table.model.primary_key_of(key);
        slot.after = after;
        slot.is_touched = true;
    }

    /// Says that a row that was read will be gone.
    pub(super) fn remove(&mut self, table: &Table, row: Stored) {
        let entity = Arc::clone(&row.entity);
        remember(&mut self.rows, &mut self.by_value, table, row);
        self.put(table, &entity, None);
    }

    /// The rows that changes touched: kind, and row before and after.
    pub(super) fn touched(&self) -> impl Iterator<Item = (&String, &Slot)> {
        self.rows.iter().filter(|(_, slot)| slot.is_touched).map(|((kind, _), slot)| (kind, slot))
    }
}

/// The text of a row's field, as [`index_text`] has it.
fn field_text(table: &Table, row: &Stored, field: &str) -> String {
    match field {
        CACHE_KEY if table.model.has_composite_cache_key() => table.model.cache_key_text(&row.entity, ""),
        field => index_text(row.entity.get(field)),
    }
}

/// Keeps a row as the cluster has it, unless it is known.
fn remember(
    rows: &mut indexmap::IndexMap<(String, String), Slot>,
    by_value: &mut HashMap<(String, String, String), Vec<String>>,
    table: &Table,
    row: Stored,
) {
    let text = table.model.key_text(&row.entity);
    let place = (table.model.name.clone(), text);
    if rows.get(&place).is_some_and(|slot| slot.is_touched || slot.before.is_some()) {
        return;
    }
    index(by_value, table, &place.1, &row);
    let key = table.model.primary_key_of(&row.entity);
    rows.insert(place, Slot { before: Some(row.clone()), after: Some(row), key, is_touched: false });
}

fn index(
    by_value: &mut HashMap<(String, String, String), Vec<String>>,
    table: &Table,
    key: &str,
    row: &Stored,
) {
    let model = &table.model;
    let unique = model.unique.iter().map(|field| field.name.as_str());
    let foreign = model.foreign.iter().map(|field| field.name.as_str());
    let others = model.endpoint_key.as_deref().into_iter().chain(["ws_id"]);
    let cache_key = model.has_composite_cache_key().then_some(CACHE_KEY);
    for field in unique.chain(foreign).chain(others).chain(cache_key) {
        let text = field_text(table, row, field);
        if !text.is_empty() {
            let keys = by_value.entry((model.name.clone(), field.to_owned(), text)).or_default();
            if !keys.iter().any(|known| known == key) {
                keys.push(key.to_owned());
            }
        }
    }
}

/// A row that ends at once is none.
pub(super) fn alive(row: Stored) -> Option<Stored> {
    let is_over = row.ends.is_some_and(|end| end <= crate::db::store::now());
    (!is_over).then_some(row)
}

/// A row of an entity.
pub(super) fn stored(entity: Entity, ends: Option<f64>) -> Stored {
    Stored { entity: Arc::new(entity), ends }
}
