//! What migrations do row by row: Cassandra cannot do it by itself.

use std::collections::HashMap;

use scylla::value::{CqlTimestamp, CqlValue, MaybeUnset};
use uuid::Uuid;

use super::Migrator;
use super::session::Bound;
use super::table::{GIVEN_LISTS, quoted};
use crate::db::migrations::{ConfigChange, MigrationError, migrate_path};

/// Brings the paths of routes from Kong 2's form to that of Kong 3.
pub(super) async fn route_paths(migrator: &Migrator) -> Result<(), MigrationError> {
    const READ: &str = "SELECT id, paths FROM routes WHERE partition = 'routes'";
    const WRITE: &str = "UPDATE routes SET paths = ? WHERE partition = 'routes' AND id = ?";
    for row in migrator.rows(READ, &()).await? {
        let [Some(CqlValue::Uuid(id)), Some(CqlValue::List(paths))] = row.columns.as_slice() else {
            continue;
        };
        let paths: Vec<&String> = paths.iter().filter_map(CqlValue::as_text).collect();
        let migrated: Vec<String> = paths.iter().map(|path| migrate_path(path).into_owned()).collect();
        if migrated.iter().zip(&paths).any(|(new, old)| new != *old) {
            migrator.change(WRITE, &(migrated, id)).await?;
        }
    }
    Ok(())
}

/// Copies the rows of a table that may not be there, with the columns that both tables have.
pub(super) async fn copy_rows(migrator: &Migrator, from: &str, to: &str) -> Result<(), MigrationError> {
    let (old, new) = (migrator.columns(from).await?, migrator.columns(to).await?);
    let names: Vec<String> = old.iter().filter(|name| new.contains(name)).map(|name| quoted(name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let places = vec!["?"; names.len()].join(", ");
    let names = names.join(", ");
    let write = format!("INSERT INTO {to} ({names}) VALUES ({places})");
    for row in migrator.rows(&format!("SELECT {names} FROM {from}"), &()).await? {
        let set =
            |value: Option<CqlValue>| value.map_or(MaybeUnset::Unset, |value| MaybeUnset::Set(Some(value)));
        let values: Vec<Bound> = row.columns.into_iter().map(set).collect();
        migrator.change(&write, &values).await?;
    }
    Ok(())
}

/// A target stands once in an upstream; of several the newest stays. All get their cache key.
pub(super) async fn targets_once(migrator: &Migrator) -> Result<(), MigrationError> {
    const READ: &str = "SELECT id, upstream_id, target, ws_id, created_at FROM targets";
    const WRITE: &str = "UPDATE targets SET cache_key = ? WHERE id = ?";
    const DELETE: &str = "DELETE FROM targets WHERE id = ?";
    let mut newest: HashMap<String, (Uuid, CqlTimestamp)> = HashMap::new();
    for row in migrator.rows(READ, &()).await? {
        let [
            Some(CqlValue::Uuid(id)),
            Some(CqlValue::Uuid(upstream)),
            Some(CqlValue::Text(target)),
            workspace,
            created,
        ] = row.columns.as_slice()
        else {
            continue;
        };
        let workspace = workspace.as_ref().and_then(CqlValue::as_uuid).map(|id| id.to_string());
        let cache_key = format!("targets:{upstream}:{target}::::{}", workspace.unwrap_or_default());
        let created = created.as_ref().and_then(CqlValue::as_cql_timestamp).unwrap_or(CqlTimestamp(0));
        match newest.get(&cache_key) {
            Some((_, known)) if known.0 >= created.0 => migrator.change(DELETE, &(id,)).await?,
            other => {
                if let Some((older, _)) = other {
                    migrator.change(DELETE, &(older,)).await?;
                }
                newest.insert(cache_key, (*id, created));
            }
        }
    }
    for (cache_key, (id, _)) in newest {
        migrator.change(WRITE, &(cache_key, id)).await?;
    }
    Ok(())
}

/// Gives all tables with lists a place for those that would not be given back as they were.
pub(super) async fn given_lists(migrator: &Migrator) -> Result<(), MigrationError> {
    const COLUMNS: &str =
        "SELECT table_name, column_name, type FROM system_schema.columns WHERE keyspace_name = ?";
    /// Those that are not rows of entities.
    const OTHERS: [&str; 3] = ["schema_meta", "tags", "clustering_data_planes"];
    let mut tables: HashMap<String, bool> = HashMap::new();
    for row in migrator.rows(COLUMNS, &(migrator.settings.keyspace.as_str(),)).await? {
        let [Some(CqlValue::Text(table)), Some(CqlValue::Text(column)), Some(CqlValue::Text(kind))] =
            row.columns.as_slice()
        else {
            continue;
        };
        let is_list = ["set<", "list<", "map<"].iter().any(|list| kind.starts_with(list));
        if column == GIVEN_LISTS {
            tables.insert(table.clone(), true);
        } else if is_list && !OTHERS.contains(&table.as_str()) {
            tables.entry(table.clone()).or_insert(false);
        }
    }
    for (table, _) in tables.iter().filter(|(_, has_it)| !**has_it) {
        migrator.define(&format!("ALTER TABLE {} ADD {GIVEN_LISTS} text", quoted(table))).await?;
    }
    Ok(())
}

/// Changes the configurations of a plugin.
pub(super) async fn configurations(migrator: &Migrator, change: ConfigChange) -> Result<(), MigrationError> {
    const READ: &str = "SELECT id, config FROM plugins WHERE name = ?";
    const WRITE: &str = "UPDATE plugins SET config = ? WHERE id = ?";
    for row in migrator.rows(READ, &(change.plugin(),)).await? {
        let [Some(CqlValue::Uuid(id)), Some(CqlValue::Text(text))] = row.columns.as_slice() else { continue };
        let Ok(old) = serde_json::from_str::<serde_json::Map<_, _>>(text) else { continue };
        let mut new = old.clone();
        change.apply(&mut new);
        if new != old {
            migrator.change(WRITE, &(serde_json::Value::Object(new).to_string(), id)).await?;
        }
    }
    Ok(())
}
