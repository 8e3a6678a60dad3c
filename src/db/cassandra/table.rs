//! The table of a kind of entity, and the statements on it.

use std::sync::Arc;

use scylla::cluster::metadata::{CollectionType, ColumnType};
use scylla::value::{CqlValue, MaybeUnset};
use serde_json::{Map, Value};

use super::session::{Bound, Statement, bound};
use super::value;
use crate::db::model::part_text;
use crate::db::store::now;
use crate::db::{DbError, Entity, EntityModel, FieldKind, Model, View};

/// The column that has, as JSON, the lists and maps of a row that the server would not give back as they were: it keeps
/// no empty ones, and sorts sets.
pub(super) const GIVEN_LISTS: &str = "given_lists";
/// The column that all rows of a table have the same value of, in tables whose rows are in the order of their keys.
const PARTITION: &str = "partition";
/// The longest time to live that the server takes, in seconds: twenty years.
const LONGEST: f64 = 630_720_000.0;

/// The table of a kind.
#[derive(Debug)]
pub(super) struct Table {
    /// The kind.
    pub(super) model: EntityModel,
    /// Its name, quoted.
    pub(super) name: String,
    /// All columns that are written.
    pub(super) columns: Vec<Column>,
    /// Fields that the table has no column for.
    absent: Vec<String>,
    keeps_given: bool,
    /// `partition = 'kind' AND `, in tables that have it.
    partition: Option<String>,
    select: String,
    insert: Arc<str>,
    delete: Arc<str>,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    name: String,
    column_type: ColumnType<'static>,
    kind: FieldKind,
    source: Source,
    is_key: bool,
    /// Whether the id of the workspace stands before the value, so that the same value of two is none.
    ///
    /// *Kong parity*: so are fields that are unique within a workspace.
    has_workspace: bool,
}

/// What of an entity a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// A field.
    Field(String),
    /// A part of the primary key that a foreign field holds.
    Foreign(String, String),
    /// `ws_id`.
    Workspace,
    /// The composite cache key.
    CacheKey,
}

/// A row as it is stored: all stored fields, `ws_id` where the kind has one, and when it ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    /// The fields.
    pub(super) entity: Arc<Entity>,
    /// Seconds since 1970; never where nothing is given.
    pub(super) ends: Option<f64>,
}

impl Table {
    /// `type_of` knows the columns that the keyspace has, `is_partitioned` whether rows share a partition.
    pub(super) fn new(
        model: &EntityModel,
        all: &Model,
        is_partitioned: bool,
        type_of: impl Fn(&str) -> Option<ColumnType<'static>>,
    ) -> Table {
        let (mut columns, mut absent) = (Vec::new(), Vec::new());
        let mut add = |name: String, field: &str, kind: &FieldKind, source: Source| match type_of(&name) {
            Some(column_type) => columns.push(Column {
                is_key: model.primary_key.iter().any(|key| key == field),
                has_workspace: has_workspace(model, field, kind),
                kind: kind.clone(),
                name,
                column_type,
                source,
            }),
            None => absent.push(field.to_owned()),
        };
        for field in &model.fields {
            let name = &field.name;
            if let FieldKind::Foreign(reference) = &field.kind {
                for (part, kind) in key_parts(all, reference) {
                    let source = Source::Foreign(name.clone(), part.clone());
                    add(format!("{name}_{part}"), name, &kind, source);
                }
            } else {
                add(name.clone(), name, &field.kind, Source::Field(name.clone()));
            }
        }
        if model.has_composite_cache_key() {
            add("cache_key".to_owned(), "cache_key", &FieldKind::Text, Source::CacheKey);
        }
        if model.workspaceable {
            add("ws_id".to_owned(), "ws_id", &FieldKind::Uuid, Source::Workspace);
        }
        let keeps_given = type_of(GIVEN_LISTS).is_some();
        Table::of_columns(model.clone(), columns, absent, keeps_given, is_partitioned)
    }

    fn of_columns(
        model: EntityModel,
        columns: Vec<Column>,
        absent: Vec<String>,
        keeps_given: bool,
        is_partitioned: bool,
    ) -> Table {
        let name = quoted(&model.table);
        let partition =
            is_partitioned.then(|| format!("{PARTITION} = '{}' AND ", model.name.replace('\'', "''")));
        let own = keeps_given.then_some(GIVEN_LISTS);
        let names: Vec<String> =
            columns.iter().map(|column| quoted(&column.name)).chain(own.map(quoted)).collect();
        let mut selected = names.clone();
        if model.has_ttl {
            selected.extend(columns.iter().filter(|column| column.can_end()).map(Column::ttl));
        }
        let places = vec!["?"; names.len()].join(", ");
        let (mut names, mut places) = (names.join(", "), places);
        if is_partitioned {
            names.push_str(&format!(", {PARTITION}"));
            places.push_str(&format!(", '{}'", model.name.replace('\'', "''")));
        }
        let keys: Vec<String> = columns
            .iter()
            .filter(|column| column.is_key)
            .map(|column| format!("{} = ?", quoted(&column.name)))
            .collect();
        let at_key = format!("{}{}", partition.as_deref().unwrap_or_default(), keys.join(" AND "));
        Table {
            select: format!("SELECT {} FROM {name}", selected.join(", ")),
            insert: format!("INSERT INTO {name} ({names}) VALUES ({places}) USING TTL ?").into(),
            delete: format!("DELETE FROM {name} WHERE {at_key}").into(),
            model,
            name,
            columns,
            absent,
            keeps_given,
            partition,
        }
    }

    // ---- statements ---------------------------------------------------------------------------------

    /// The query of the row with a primary key.
    ///
    /// *Errors*: what is no key of this table.
    pub(super) fn at_key(&self, key: &Entity) -> Result<Statement, DbError> {
        let values = self.key_values(key)?;
        let places: Vec<String> =
            self.key_columns().map(|column| format!("{} = ?", quoted(&column.name))).collect();
        let partition = self.partition.as_deref().unwrap_or_default();
        let cql = format!("{} WHERE {partition}{}", self.select, places.join(" AND "));
        Ok(Statement { cql: cql.into(), values })
    }

    /// The query of all rows.
    pub(super) fn all(&self) -> Statement {
        let partition = self.partition.as_deref().map(|partition| partition.trim_end_matches(" AND "));
        let place = partition.map(|partition| format!(" WHERE {partition}")).unwrap_or_default();
        Statement { cql: format!("{}{place}", self.select).into(), values: Vec::new() }
    }

    /// The query of rows with a value of a field; that of a foreign field may be the primary key or its text. None
    /// where no row can have it.
    ///
    /// *Errors*: a field without a column.
    pub(super) fn at_field(
        &self,
        field: &str,
        value: &Value,
        workspace: Option<&str>,
    ) -> Result<Option<Statement>, DbError> {
        let (mut places, mut values) = (Vec::new(), Vec::new());
        for column in self.columns.iter().filter(|column| column.source.is_of(field)) {
            let part = match (&column.source, value) {
                (Source::Foreign(_, part), Value::Object(key)) => key.get(part).cloned().unwrap_or_default(),
                (_, value) => value.clone(),
            };
            let part = if column.has_workspace { with_workspace(&part, workspace) } else { part };
            let Ok(Some(value)) = value::stored(&part, &column.kind, &column.column_type) else {
                return Ok(None);
            };
            places.push(format!("{} = ?", quoted(&column.name)));
            values.push(bound(value));
        }
        if places.is_empty() {
            return Err(DbError::database(format!("{} cannot be found by {field}", self.model.name)));
        }
        let partition = self.partition.as_deref().unwrap_or_default();
        let cql = format!("{} WHERE {partition}{} ALLOW FILTERING", self.select, places.join(" AND "));
        Ok(Some(Statement { cql: cql.into(), values }))
    }

    /// Whether rows are found by a value of a field only within a workspace.
    pub(super) fn needs_workspace(&self, field: &str) -> bool {
        self.columns.iter().any(|column| column.source.is_of(field) && column.has_workspace)
    }

    /// The statement that writes a row, or of a row that is there what is different.
    ///
    /// *Errors*: a value that its column cannot keep.
    pub(super) fn put(&self, before: Option<&Stored>, after: &Stored) -> Result<Statement, DbError> {
        // what is left as it was would otherwise end at another time
        let before = before.filter(|before| before.ends == after.ends);
        let mut values = Vec::with_capacity(self.columns.len() + 2);
        for column in &self.columns {
            let value = self.column_value(column, &after.entity)?;
            let known = before.map(|before| self.column_value(column, &before.entity)).transpose()?;
            values.push(match known {
                Some(known) if known == value && !column.is_key => MaybeUnset::Unset,
                None if value.is_none() => MaybeUnset::Unset,
                _ => MaybeUnset::Set(value),
            });
        }
        if self.keeps_given {
            let given = self.given_lists(&after.entity);
            let known = before.map(|before| self.given_lists(&before.entity));
            values.push(match known {
                Some(known) if known == given => MaybeUnset::Unset,
                None if given.is_none() => MaybeUnset::Unset,
                _ => MaybeUnset::Set(given.map(CqlValue::Text)),
            });
        }
        values.push(bound(CqlValue::Int(lifetime(after.ends))));
        Ok(Statement { cql: Arc::clone(&self.insert), values })
    }

    /// The statement that removes a row.
    ///
    /// *Errors*: what is no key of this table.
    pub(super) fn delete(&self, key: &Entity) -> Result<Statement, DbError> {
        Ok(Statement { cql: Arc::clone(&self.delete), values: self.key_values(key)? })
    }

    fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.is_key)
    }

    fn key_values(&self, key: &Entity) -> Result<Vec<Bound>, DbError> {
        let value = |column: &Column| {
            let value = self.column_value(column, key)?;
            let missing =
                || DbError::database(format!("{}: the primary key has no {}", self.name, column.name));
            value.map(bound).ok_or_else(missing)
        };
        self.key_columns().map(value).collect()
    }

    // ---- rows ------------------------------------------------------------------------------------------

    /// An entity as the table keeps it, which may differ from what was asked for: numbers have the type of their column.
    ///
    /// *Errors*: a value that its column cannot keep, or one of a field that the table has no column for.
    pub(super) fn kept(&self, entity: Entity) -> Result<Entity, DbError> {
        let mut row = self.model.row(entity);
        for field in &self.absent {
            if row.get(field).is_some_and(|value| !value.is_null()) {
                let message =
                    format!("table {} has no column for '{field}': run 'kong migrations up'", self.name);
                return Err(DbError::database(message));
            }
        }
        for column in &self.columns {
            let Source::Field(field) = &column.source else { continue };
            let Some(value) = row.get(field).filter(|value| !value.is_null()) else { continue };
            let stored = column.stored(value, &self.name)?;
            let kept = match stored {
                Some(_) if column.is_collection() && self.keeps_given => column.as_given(value),
                Some(_) if column.is_collection() && is_empty(value) => Value::Null,
                Some(stored) => value::read(&stored, &column.kind),
                None => Value::Null,
            };
            row.insert(field.clone(), kept);
        }
        Ok(row)
    }

    /// The row that an answer has.
    pub(super) fn read(&self, answer: &[Option<CqlValue>]) -> Stored {
        let mut entity = Entity::with_capacity(self.model.fields.len() + 1);
        for field in &self.model.fields {
            entity.insert(field.name.clone(), Value::Null);
        }
        if self.model.workspaceable {
            entity.insert("ws_id".to_owned(), Value::Null);
        }
        let mut values = answer.iter();
        for (column, value) in self.columns.iter().zip(values.by_ref()) {
            let Some(value) = value else { continue };
            column.read_into(value, &mut entity);
        }
        if self.keeps_given
            && let Some(Some(CqlValue::Text(given))) = values.next()
        {
            self.give_back(given, &mut entity);
        }
        let left = values.filter_map(|value| value.as_ref().and_then(CqlValue::as_int)).max();
        Stored { entity: Arc::new(entity), ends: left.map(|left| now() + f64::from(left)) }
    }

    /// Whether a view shows a row.
    pub(super) fn is_seen(&self, row: &Stored, view: &View) -> bool {
        let workspace = view.workspace.as_deref().filter(|_| self.model.workspaceable);
        workspace.is_none_or(|id| row.entity.get("ws_id").and_then(Value::as_str) == Some(id))
    }

    /// A row as a view shows it.
    pub(super) fn shown(&self, row: &Stored, view: &View) -> Arc<Entity> {
        if !self.model.has_ttl {
            return Arc::clone(&row.entity);
        }
        let mut entity = Entity::clone(&row.entity);
        let left = |end: f64| if view.export { end } else { end - now() };
        let ttl = row.ends.map(|end| left(end).round() as i64);
        entity.insert("ttl".to_owned(), ttl.map_or(Value::Null, Value::from));
        Arc::new(entity)
    }

    fn column_value(&self, column: &Column, entity: &Entity) -> Result<Option<CqlValue>, DbError> {
        let cache_key;
        let value = match &column.source {
            Source::Field(field) => entity.get(field),
            Source::Foreign(field, part) => match entity.get(field) {
                Some(Value::Object(key)) => key.get(part),
                other => other,
            },
            Source::Workspace => entity.get("ws_id"),
            Source::CacheKey => {
                cache_key = Value::from(self.model.cache_key_text(entity, ""));
                Some(&cache_key)
            }
        };
        let Some(value) = value else { return Ok(None) };
        if is_empty(value) && column.is_collection() {
            return Ok(None);
        }
        if column.has_workspace && !value.is_null() {
            let workspace = entity.get("ws_id").and_then(Value::as_str);
            return column.stored(&with_workspace(value, workspace), &self.name);
        }
        column.stored(value, &self.name)
    }

    /// The lists that the server would not give back as they are.
    fn given_lists(&self, entity: &Entity) -> Option<String> {
        let mut given = Map::new();
        for column in self.columns.iter().filter(|column| column.is_collection()) {
            let Source::Field(field) = &column.source else { continue };
            let Some(value) = entity.get(field).filter(|value| !value.is_null()) else { continue };
            if column.read_back(value).as_ref() != Some(value) {
                given.insert(field.clone(), value.clone());
            }
        }
        (!given.is_empty()).then(|| Value::Object(given).to_string())
    }

    /// Puts lists in the place of those that the server gave, unless somebody who does not know of them wrote others.
    fn give_back(&self, given: &str, entity: &mut Entity) {
        let given: Entity = serde_json::from_str(given).unwrap_or_default();
        for (field, list) in given {
            let column = self.columns.iter().find(|column| column.source.is_of(&field));
            let is_same = |value: &Value| {
                let back = column.and_then(|column| column.read_back(&list));
                back.unwrap_or_default() == *value
            };
            if entity.get(&field).is_some_and(is_same) {
                entity.insert(field, list);
            }
        }
    }
}

impl Column {
    fn stored(&self, value: &Value, table: &str) -> Result<Option<CqlValue>, DbError> {
        value::stored(value, &self.kind, &self.column_type)
            .map_err(|words| DbError::database(format!("column {} of {table} {words}", quoted(&self.name))))
    }

    fn read_into(&self, stored: &CqlValue, entity: &mut Entity) {
        let value = value::read(stored, &self.kind);
        match &self.source {
            Source::Field(field) => {
                let value = if self.has_workspace { without_workspace(value) } else { value };
                entity.insert(field.clone(), value);
            }
            Source::Foreign(field, part) => match entity.get_mut(field) {
                Some(Value::Object(key)) => drop(key.insert(part.clone(), value)),
                _ => {
                    drop(entity.insert(field.clone(), Value::Object(Map::from_iter([(part.clone(), value)]))))
                }
            },
            Source::Workspace => drop(entity.insert("ws_id".to_owned(), value)),
            Source::CacheKey => {}
        }
    }

    fn is_collection(&self) -> bool {
        matches!(self.column_type, ColumnType::Collection { frozen: false, .. })
    }

    /// A list or map; an empty table of Lua may stand for an empty list.
    fn as_given(&self, value: &Value) -> Value {
        let is_map = matches!(self.column_type, ColumnType::Collection { typ: CollectionType::Map(..), .. });
        if is_empty(value) && !is_map { Value::Array(Vec::new()) } else { value.clone() }
    }

    /// What the server gives back for a list or map; none for an empty one.
    fn read_back(&self, value: &Value) -> Option<Value> {
        if is_empty(value) {
            return None;
        }
        let stored = value::stored(value, &self.kind, &self.column_type).ok()??;
        Some(value::read(&stored, &self.kind))
    }

    /// Whether the server tells when its value ends.
    fn can_end(&self) -> bool {
        !self.is_key && matches!(self.column_type, ColumnType::Native(_))
    }

    fn ttl(&self) -> String {
        format!("TTL({})", quoted(&self.name))
    }
}

impl Source {
    fn is_of(&self, field: &str) -> bool {
        match self {
            Source::Field(name) | Source::Foreign(name, _) => name == field,
            Source::Workspace => field == "ws_id",
            Source::CacheKey => field == "cache_key",
        }
    }
}

/// A name as CQL takes it whatever it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The time to live of a row: 0 for ever, and for what ends in more than twenty years.
pub(super) fn lifetime(ends: Option<f64>) -> i32 {
    let left = ends.map_or(0.0, |end| (end - now()).ceil().max(1.0));
    if left > LONGEST { 0 } else { left as i32 }
}

fn has_workspace(model: &EntityModel, field: &str, kind: &FieldKind) -> bool {
    let is_within = |field: &crate::db::UniqueField| !field.across_workspaces;
    model.workspaceable
        && !model.primary_key.iter().any(|key| key == field)
        && *kind == FieldKind::Text
        && model.unique_field(field).is_some_and(is_within)
}

fn with_workspace(value: &Value, workspace: Option<&str>) -> Value {
    match (value, workspace) {
        (Value::String(text), Some(workspace)) => Value::from(format!("{workspace}:{text}")),
        (value, _) => value.clone(),
    }
}

fn without_workspace(value: Value) -> Value {
    const UUID: usize = 36;
    match &value {
        Value::String(text) if text.as_bytes().get(UUID) == Some(&b':') => {
            text.get(UUID + 1..).map_or(Value::Null, Value::from)
        }
        _ => value,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The parts of the primary key of a kind.
fn key_parts(all: &Model, kind: &str) -> Vec<(String, FieldKind)> {
    let Some(model) = all.kind(kind) else { return vec![("id".to_owned(), FieldKind::Uuid)] };
    let part = |name: &String| {
        let kind = model.field(name).map_or(FieldKind::Text, |field| field.kind.clone());
        (name.clone(), kind)
    };
    model.primary_key.iter().map(part).collect()
}

/// The text by which a value is found again in what was read: as [`part_text`] has it.
pub(super) fn index_text(value: Option<&Value>) -> String {
    part_text(value)
}

/// The values of a tag's row besides its key: all tags of the entity, and its time to live.
pub(super) fn tag_values(tags: &[String], ends: Option<f64>) -> [Bound; 2] {
    let all = tags.iter().cloned().map(CqlValue::Text).collect();
    [bound(CqlValue::Set(all)), bound(CqlValue::Int(lifetime(ends)))]
}
