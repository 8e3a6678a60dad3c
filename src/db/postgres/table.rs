//! The table of a kind of entity, and the statements on it.

use serde_json::Value;

use super::connection::identifier;
use super::session::Parameter;
use super::value;
use crate::db::model::part_text;
use crate::db::{Entity, EntityModel, Expiry, FieldKind, Model, View};

/// The table of a kind.
#[derive(Debug)]
pub(super) struct Table {
    /// The kind.
    pub(super) model: EntityModel,
    /// Its name, quoted.
    pub(super) name: String,
    /// All columns that are written.
    pub(super) columns: Vec<Column>,
    select: String,
    select_export: String,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// The name, quoted.
    pub(super) quoted: String,
    /// Its type, as SQL writes it.
    pub(super) sql_type: String,
    /// What it holds.
    pub(super) source: Source,
}

/// What of an entity a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A field.
    Field(String),
    /// A part of the primary key that a foreign field holds.
    Foreign(String, String),
    /// `ws_id`.
    Workspace,
    /// The composite cache key.
    CacheKey,
    /// The end of the row.
    Ttl,
}

/// A condition, and the parameters that it has.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    parts: Vec<String>,
    pub(super) parameters: Vec<Parameter>,
}

impl Table {
    /// `type_of` knows the columns that the database has.
    pub(super) fn new(model: &EntityModel, all: &Model, type_of: impl Fn(&str) -> Option<String>) -> Table {
        let column = |name: String, source| {
            let sql_type = type_of(&name).unwrap_or_else(|| "text".to_owned());
            Column { quoted: identifier(&name), name, sql_type, source }
        };
        let mut columns = Vec::new();
        for field in &model.fields {
            match &field.kind {
                FieldKind::Foreign(reference) => {
                    let id = ["id".to_owned()];
                    let parts = all.kind(reference).map_or(id.as_slice(), |kind| &kind.primary_key);
                    for part in parts {
                        let source = Source::Foreign(field.name.clone(), part.clone());
                        columns.push(column(format!("{}_{part}", field.name), source));
                    }
                }
                _ => columns.push(column(field.name.clone(), Source::Field(field.name.clone()))),
            }
        }
        if model.has_composite_cache_key() {
            columns.push(column("cache_key".to_owned(), Source::CacheKey));
        }
        if model.workspaceable {
            columns.push(column("ws_id".to_owned(), Source::Workspace));
        }
        if model.has_ttl {
            columns.push(column("ttl".to_owned(), Source::Ttl));
        }
        let select = selected(&columns, false);
        let select_export = selected(&columns, true);
        Table { model: model.clone(), name: identifier(&model.table), columns, select, select_export }
    }

    /// The columns that a field fills.
    pub(super) fn columns_of<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a Column> {
        self.columns.iter().filter(move |column| match &column.source {
            Source::Field(name) | Source::Foreign(name, _) => name == field,
            Source::Workspace => field == "ws_id",
            Source::CacheKey => field == "cache_key",
            Source::Ttl => false,
        })
    }

    /// The columns of the primary key.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.model.primary_key.iter().flat_map(|field| self.columns_of(field))
    }

    /// A query of rows as JSON.
    pub(super) fn query(&self, view: &View, conditions: &Conditions, more: &str) -> String {
        let (select, name) = (self.expressions(view), &self.name);
        format!("SELECT row_to_json(r)::text FROM (SELECT {select} FROM {name}{conditions}{more}) AS r")
    }

    /// A change that answers the changed rows as JSON.
    pub(super) fn returning(&self, change: &str) -> String {
        let select = &self.select;
        format!("WITH r AS ({change} RETURNING {select}) SELECT row_to_json(r)::text FROM r")
    }

    fn expressions(&self, view: &View) -> &str {
        if view.export { &self.select_export } else { &self.select }
    }

    /// Only rows that a view shows.
    pub(super) fn limit_to(&self, view: &View, conditions: &mut Conditions) {
        if self.model.has_ttl && !view.skip_ttl {
            conditions.add("(ttl IS NULL OR ttl >= CURRENT_TIMESTAMP)");
        }
        if let Some(workspace) = view.workspace.as_deref().filter(|_| self.model.workspaceable) {
            for column in self.columns_of("ws_id") {
                conditions.equal(column, Some(workspace.to_owned()));
            }
        }
    }

    /// Only the row with a primary key.
    pub(super) fn at_key(&self, key: &Entity, conditions: &mut Conditions) {
        for column in self.key_columns() {
            conditions.equal(column, column.value_in(key));
        }
    }

    /// Only rows with a value of a field; a foreign field's may be the primary key or its text.
    pub(super) fn at_field(&self, field: &str, value: &Value, conditions: &mut Conditions) -> bool {
        let mut is_known = false;
        for column in self.columns_of(field) {
            is_known = true;
            let value = match (&column.source, value) {
                (Source::Foreign(_, part), Value::Object(key)) => {
                    value::parameter(key.get(part).unwrap_or(&Value::Null), &column.sql_type)
                }
                (Source::Foreign(..), value) => Some(part_text(Some(value))),
                (_, value) => value::parameter(value, &column.sql_type),
            };
            conditions.equal(column, value);
        }
        is_known
    }

    /// What each column of a row gets.
    pub(super) fn value(&self, column: &Column, entity: &Entity, ends: Expiry) -> Parameter {
        match (&column.source, ends) {
            (Source::CacheKey, _) => Some(self.model.cache_key_text(entity, "")),
            (Source::Ttl, Expiry::At(end)) => Some(end.to_string()),
            (Source::Ttl, Expiry::Keep | Expiry::Never) => None,
            _ => column.value_in(entity),
        }
    }
}

impl Column {
    /// The place of its value in a statement.
    pub(super) fn place(&self, number: usize) -> String {
        self.of_text(&format!("${number}"))
    }

    /// A text as the column takes it.
    pub(super) fn of_text(&self, text: &str) -> String {
        if self.sql_type.starts_with("timestamp") {
            format!("to_timestamp({text}::float8)")
        } else {
            format!("{text}::{}", self.sql_type)
        }
    }

    /// The value that a field of an entity, or of a primary key, gives it.
    fn value_in(&self, entity: &Entity) -> Parameter {
        let value = match &self.source {
            Source::Field(name) => entity.get(name),
            Source::Foreign(name, part) => entity.get(name).and_then(|key| key.get(part)),
            Source::Workspace => entity.get("ws_id"),
            Source::CacheKey | Source::Ttl => None,
        };
        value.and_then(|value| value::parameter(value, &self.sql_type))
    }

    /// How it is read.
    fn expression(&self) -> String {
        let quoted = &self.quoted;
        if self.sql_type.starts_with("timestamp") {
            format!("EXTRACT(EPOCH FROM {quoted})::float8")
        } else {
            quoted.clone()
        }
    }
}

/// The fields of an entity as a query reads them.
fn selected(columns: &[Column], is_export: bool) -> String {
    let mut fields: Vec<String> = Vec::new();
    let mut last_foreign = None;
    for column in columns {
        match &column.source {
            Source::Field(_) | Source::Workspace => {
                fields.push(format!("{} AS {}", column.expression(), column.quoted))
            }
            Source::Foreign(field, _) if last_foreign == Some(field) => {}
            Source::Foreign(field, _) => {
                last_foreign = Some(field);
                fields.push(format!("{} AS {}", foreign(columns, field), identifier(field)));
            }
            Source::CacheKey => {}
            Source::Ttl if is_export => fields.push("FLOOR(EXTRACT(EPOCH FROM ttl))::int8 AS ttl".to_owned()),
            Source::Ttl => {
                fields.push("FLOOR(EXTRACT(EPOCH FROM ttl - CURRENT_TIMESTAMP))::int8 AS ttl".to_owned());
            }
        }
    }
    fields.join(", ")
}

fn foreign(columns: &[Column], field: &str) -> String {
    let (mut tests, mut parts) = (Vec::new(), Vec::new());
    for column in columns {
        if let Source::Foreign(name, part) = &column.source
            && name == field
        {
            tests.push(format!("{} IS NOT NULL", column.quoted));
            parts.push(format!("{}, {}", super::connection::literal(part), column.expression()));
        }
    }
    format!("CASE WHEN {} THEN json_build_object({}) END", tests.join(" AND "), parts.join(", "))
}

impl Conditions {
    /// A condition without parameters.
    pub(super) fn add(&mut self, condition: impl Into<String>) {
        self.parts.push(condition.into());
    }

    /// Adds a parameter, and gives its number.
    pub(super) fn parameter(&mut self, value: Parameter) -> usize {
        self.parameters.push(value);
        self.parameters.len()
    }

    /// A column has a value.
    pub(super) fn equal(&mut self, column: &Column, value: Parameter) {
        let number = self.parameter(value);
        self.add(format!("{} = {}", column.quoted, column.place(number)));
    }
}

impl std::fmt::Display for Conditions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.parts.is_empty() {
            return Ok(());
        }
        write!(formatter, " WHERE {}", self.parts.join(" AND "))
    }
}
