//! Why a row was refused, in Kong's words.

use serde_json::Value;
use sqlx::SqliteConnection;

use super::sql::{Bound, failed, quoted, row};
use super::store::Tables;
use super::table::{CACHE_KEY, KEY, Rule, Table, WORKSPACE};
use crate::db::model::part_text;
use crate::db::{DbError, Entity};

/// The error of a row that the database refused: looks for the rule that it breaks.
pub(super) async fn explain(
    connection: &mut SqliteConnection,
    tables: &Tables,
    table: &Table,
    entity: &Entity,
    is_new: bool,
    error: sqlx::Error,
) -> DbError {
    let is_constraint = error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation() || error.is_foreign_key_violation());
    if !is_constraint {
        return failed(error);
    }
    match find(connection, tables, table, entity, is_new).await {
        Ok(Some(violation)) => violation,
        Ok(None) => failed(error),
        Err(other) => other,
    }
}

async fn find(
    connection: &mut SqliteConnection,
    tables: &Tables,
    table: &Table,
    entity: &Entity,
    is_new: bool,
) -> Result<Option<DbError>, DbError> {
    let kind = &table.model;
    let key = kind.key_text(entity);
    if is_new && exists(connection, &table.name, KEY, &key, "", None).await? {
        return Ok(Some(DbError::primary_key_violation(kind.primary_key_of(entity))));
    }
    if kind.has_composite_cache_key() {
        let text = kind.cache_key_text(entity, "");
        if exists(connection, &table.name, CACHE_KEY, &text, &key, None).await? {
            return Ok(Some(kind.cache_key_violation(entity)));
        }
    }
    for column in &table.columns {
        let Rule::Unique { across_workspaces } = &column.rule else { continue };
        let value = part_text(entity.get(&column.field));
        let workspace = entity.get(WORKSPACE).and_then(Value::as_str).filter(|_| !across_workspaces);
        if !value.is_empty() && exists(connection, &table.name, &column.name, &value, &key, workspace).await?
        {
            return Ok(Some(kind.unique_violation(&column.field, entity)));
        }
    }
    match dangling(connection, table, entity).await? {
        None => unknown_workspace(connection, tables, table, entity).await,
        found => Ok(found),
    }
}

/// A foreign key that leads nowhere. It is told after values that are not unique, as other databases do.
async fn dangling(
    connection: &mut SqliteConnection,
    table: &Table,
    entity: &Entity,
) -> Result<Option<DbError>, DbError> {
    for column in &table.columns {
        let Rule::Foreign { table: parent, .. } = &column.rule else { continue };
        let value = part_text(entity.get(&column.field));
        if value.is_empty() || exists(connection, parent, KEY, &value, "", None).await? {
            continue;
        }
        let reference = table.model.foreign_field(&column.field).map(|field| field.reference.as_str());
        let key = entity.get(&column.field).and_then(Value::as_object).cloned().unwrap_or_default();
        return Ok(Some(DbError::foreign_key_dangling(key, &column.field, reference.unwrap_or_default())));
    }
    Ok(None)
}

async fn unknown_workspace(
    connection: &mut SqliteConnection,
    tables: &Tables,
    table: &Table,
    entity: &Entity,
) -> Result<Option<DbError>, DbError> {
    let workspace = part_text(entity.get(WORKSPACE).filter(|_| table.model.workspaceable));
    let Some(workspaces) = tables.known("workspaces").filter(|_| !workspace.is_empty()) else {
        return Ok(None);
    };
    let is_known = exists(connection, &workspaces.name, KEY, &workspace, "", None).await?;
    Ok((!is_known).then(|| DbError::invalid_workspace(&workspace)))
}

/// Whether a row other than the one with the key `own` has a value, in a workspace if one is named.
async fn exists(
    connection: &mut SqliteConnection,
    table: &str,
    column: &str,
    value: &str,
    own: &str,
    workspace: Option<&str>,
) -> Result<bool, DbError> {
    let mut sql = format!("SELECT 1 FROM {table} WHERE {} = ? AND {} <> ?", quoted(column), quoted(KEY));
    let mut values = vec![Bound::from(value), Bound::from(own)];
    if let Some(workspace) = workspace {
        sql.push_str(&format!(" AND {WORKSPACE} = ?"));
        values.push(Bound::from(workspace));
    }
    Ok(row(connection, &format!("{sql} LIMIT 1"), values).await?.is_some())
}
