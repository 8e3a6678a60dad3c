//! What the database refused, in Kong's words.

use serde_json::Value;
use sqlx::postgres::PgDatabaseError;

use super::session::{Failure, is_data_exception, told};
use super::table::{Source, Table};
use super::tables::Tables;
use crate::db::{DbError, Entity};

/// The error of a change of a row.
pub(super) fn explain(error: &Failure, tables: &Tables, table: &Table, entity: &Entity) -> DbError {
    let Failure::Database(database) = error else { return told(error) };
    let Some(database) = database.try_downcast_ref::<PgDatabaseError>() else { return told(error) };
    let detail = database.detail().unwrap_or_default();
    let found = match database.code() {
        "23505" => Some(not_unique(table, entity, &columns(detail))),
        "23502" => Some(primary_key(table, entity)),
        "23503" => foreign_key(tables, table, entity, detail),
        _ if is_data_exception(error) => Some(not_a_value(database.message())),
        _ => None,
    };
    found.unwrap_or_else(|| told(error))
}

/// A value that the schema has nothing against, and its column has.
fn not_a_value(message: &str) -> DbError {
    DbError::schema_violation(Entity::from_iter([("@entity".to_owned(), Value::from(vec![message]))]))
}

fn primary_key(table: &Table, entity: &Entity) -> DbError {
    DbError::primary_key_violation(table.model.primary_key_of(entity))
}

/// *Kong parity*: what is neither the cache key nor a unique field is taken for the primary key.
fn not_unique(table: &Table, entity: &Entity, columns: &[&str]) -> DbError {
    let fields: Vec<&str> = columns.iter().filter_map(|name| field_of(table, name)).collect();
    let in_cache_key = |field: &&str| table.model.cache_key.iter().any(|name| name == field);
    let is_cache_key = columns.contains(&"cache_key")
        || (columns.len() > 1 && fields.len() == columns.len() && fields.iter().all(in_cache_key));
    if is_cache_key && table.model.has_composite_cache_key() {
        return table.model.cache_key_violation(entity);
    }
    match table.model.unique.iter().find(|unique| fields.contains(&unique.name.as_str())) {
        Some(unique) => table.model.unique_violation(&unique.name, entity),
        None => primary_key(table, entity),
    }
}

/// The field that a column belongs to.
fn field_of<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    let column = table.columns.iter().find(|column| column.name == name)?;
    match &column.source {
        Source::Field(field) | Source::Foreign(field, _) => Some(field),
        Source::Workspace | Source::CacheKey | Source::Ttl => None,
    }
}

fn foreign_key(tables: &Tables, table: &Table, entity: &Entity, detail: &str) -> Option<DbError> {
    if let Some((_, child)) = detail.split_once("is still referenced from table \"") {
        let child = child.trim_end_matches(['"', '.']);
        return Some(DbError::foreign_key_restricted(&table.model.name, tables.kind_of(child)));
    }
    if !detail.contains("is not present in table") {
        return None;
    }
    let columns = columns(detail);
    if columns == ["ws_id"] {
        let workspace = entity.get("ws_id").and_then(Value::as_str).unwrap_or("null");
        return Some(DbError::invalid_workspace(workspace));
    }
    let field = table.columns.iter().find_map(|column| match &column.source {
        Source::Foreign(field, _) if columns.contains(&column.name.as_str()) => Some(field),
        _ => None,
    })?;
    let reference = table.model.foreign_field(field)?.reference.clone();
    let key = entity.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
    Some(DbError::foreign_key_dangling(key, field, &reference))
}

/// The columns of `Key (ws_id, name)=(…) already exists.`.
fn columns(detail: &str) -> Vec<&str> {
    let names = detail.strip_prefix("Key (").and_then(|rest| rest.split_once(")=("));
    names.map_or_else(Vec::new, |(names, _)| names.split(", ").map(|name| name.trim_matches('"')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_key_are_read_off_the_detail() {
        assert_eq!(columns("Key (ws_id, name)=(a, b) already exists."), ["ws_id", "name"]);
        assert_eq!(columns("Key (\"group\")=(x)=() y) already exists."), ["group"]);
        assert!(columns("").is_empty());
    }
}
