//! The table of one kind of entities.

use std::sync::Arc;

use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use super::sql::{self, Bound, quoted};
use crate::db::model::part_text;
use crate::db::store::now;
use crate::db::{DbError, Entity, EntityModel, Model, View};

/// The columns that every table has: the primary key's text, and the entity.
pub(super) const KEY: &str = "_key";
pub(super) const ENTITY: &str = "_entity";
/// Those that some have: the composite cache key, and the time at which the row ends.
pub(super) const CACHE_KEY: &str = "_cache_key";
pub(super) const ENDS: &str = "_ends";
pub(super) const WORKSPACE: &str = "ws_id";

/// A table and its statements.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) model: EntityModel,
    /// Its name, quoted.
    pub(super) name: String,
    /// The columns that follow from fields.
    pub(super) columns: Vec<Column>,
    /// `INSERT` of all columns.
    pub(super) insert: String,
    /// `UPDATE` of all columns but the key, by the key.
    pub(super) update: String,
}

/// A column with the value of a field.
#[derive(Debug)]
pub(super) struct Column {
    /// Its name, not quoted.
    pub(super) name: String,
    /// The field.
    pub(super) field: String,
    pub(super) rule: Rule,
}

/// What the database guards in a column.
#[derive(Debug)]
pub(super) enum Rule {
    /// Nothing: rows are found by it.
    Indexed,
    /// No two rows of a workspace, or of all of them, have the same value.
    Unique { across_workspaces: bool },
    /// It points to a row of another table, named as it is quoted, and the row perhaps goes with that.
    Foreign { table: String, cascades: bool },
}

impl Table {
    /// The table of a kind; `model` has the kinds it points to.
    pub(super) fn new(kind: &EntityModel, model: &Model) -> Table {
        let columns = columns(kind, model);
        let mut names = vec![KEY.to_owned()];
        names.extend(own_columns(kind).map(str::to_owned));
        names.extend(columns.iter().map(|column| column.name.clone()));
        names.push(ENTITY.to_owned());
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let name = quoted(&kind.table);
        let places = vec!["?"; names.len()].join(", ");
        let sets: Vec<String> = names.iter().skip(1).map(|name| format!("{name} = ?")).collect();
        Table {
            insert: format!("INSERT INTO {name} ({}) VALUES ({places})", names.join(", ")),
            update: format!("UPDATE {name} SET {} WHERE {} = ?", sets.join(", "), quoted(KEY)),
            model: kind.clone(),
            name,
            columns,
        }
    }

    /// The values of all columns for a row.
    pub(super) fn values(&self, row: &Entity, ends: Option<f64>) -> Vec<Bound> {
        let mut values = vec![Bound::from(self.model.key_text(row))];
        for own in own_columns(&self.model) {
            values.push(match own {
                WORKSPACE => Bound::Text(filled(part_text(row.get(WORKSPACE)))),
                CACHE_KEY => Bound::from(self.model.cache_key_text(row, "")),
                _ => Bound::Real(ends),
            });
        }
        for column in &self.columns {
            values.push(Bound::Text(filled(part_text(row.get(&column.field)))));
        }
        values.push(Bound::from(Value::Object(row.clone()).to_string()));
        values
    }

    /// `INSERT` of several rows.
    pub(super) fn insert_of(&self, rows: usize) -> String {
        let Some((head, row)) = self.insert.split_once(" VALUES ") else { return self.insert.clone() };
        format!("{head} VALUES {}", vec![row; rows].join(", "))
    }

    /// The column of a field.
    pub(super) fn column(&self, field: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// `SELECT` of rows, in the columns that [`Table::entity`] reads.
    pub(super) fn select(&self) -> String {
        let ends = if self.model.has_ttl { quoted(ENDS) } else { "NULL".to_owned() };
        format!("SELECT {}, {ends}, {} FROM {}", quoted(ENTITY), quoted(KEY), self.name)
    }

    /// Adds the conditions of a view.
    pub(super) fn limit_to(&self, view: &View, conditions: &mut Vec<String>, values: &mut Vec<Bound>) {
        if let Some(workspace) = view.workspace.as_deref().filter(|_| self.model.workspaceable) {
            conditions.push(format!("{WORKSPACE} = ?"));
            values.push(Bound::from(workspace));
        }
        if self.model.has_ttl && !view.skip_ttl {
            conditions.push(format!("({0} IS NULL OR {0} > ?)", quoted(ENDS)));
            values.push(Bound::from(now()));
        }
    }

    /// The entity of a row.
    pub(super) fn entity(&self, row: &SqliteRow, view: &View) -> Result<Arc<Entity>, DbError> {
        let Value::Object(entity) = sql::json(&sql::text(row, 0)?)? else {
            return Err(DbError::database(format!("sqlite: a row of {} is no entity", self.name)));
        };
        Ok(self.shown(entity, sql::real(row, 1)?, view))
    }

    /// A row as it is shown, which ends at a time.
    pub(super) fn shown(&self, mut entity: Entity, ends: Option<f64>, view: &View) -> Arc<Entity> {
        if self.model.has_ttl {
            let ttl = ends.map(|end| if view.export { end } else { end - now() }.floor() as i64);
            entity.insert("ttl".to_owned(), ttl.map_or(Value::Null, Value::from));
        }
        Arc::new(entity)
    }
}

/// The columns of a kind that are there for the store's own sake.
pub(super) fn own_columns(kind: &EntityModel) -> impl Iterator<Item = &'static str> + use<> {
    let own =
        [(WORKSPACE, kind.workspaceable), (CACHE_KEY, kind.has_composite_cache_key()), (ENDS, kind.has_ttl)];
    own.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name)
}

fn columns(kind: &EntityModel, model: &Model) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for field in &kind.foreign {
        let table = model.kind(&field.reference).map_or(field.reference.as_str(), |parent| &parent.table);
        columns.push(Column {
            name: format!("{}_id", field.name),
            field: field.name.clone(),
            rule: Rule::Foreign { table: quoted(table), cascades: field.cascades },
        });
    }
    for field in &kind.unique {
        columns.push(Column {
            name: field.name.clone(),
            field: field.name.clone(),
            rule: Rule::Unique { across_workspaces: field.across_workspaces || !kind.workspaceable },
        });
    }
    let endpoint = kind.endpoint_key.iter().filter(|name| kind.unique_field(name).is_none());
    columns.extend(endpoint.map(|name| Column {
        name: name.clone(),
        field: name.clone(),
        rule: Rule::Indexed,
    }));
    columns
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
