//! Tables, columns and indexes: made and completed when the store is opened.

use std::collections::HashSet;

use sqlx::{Connection, SqliteConnection};

use super::sql::{self, execute, failed, quoted, rows};
use super::table::{CACHE_KEY, ENDS, ENTITY, KEY, Rule, Table, WORKSPACE, own_columns};
use crate::db::DbError;

/// What there is besides the tables of entities.
const ASIDE: &str = "
    CREATE TABLE IF NOT EXISTS _tags (
        entity_name TEXT NOT NULL, entity_id TEXT NOT NULL, tag TEXT NOT NULL,
        PRIMARY KEY (entity_name, entity_id, tag)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS _tags_by_tag ON _tags (tag, entity_name, entity_id);
    CREATE TABLE IF NOT EXISTS _cluster_events (
        id TEXT PRIMARY KEY, node_id TEXT NOT NULL, at REAL NOT NULL, nbf REAL, lifetime REAL NOT NULL,
        channel TEXT NOT NULL, data TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS _cluster_events_by_time ON _cluster_events (channel, at);
    CREATE TABLE IF NOT EXISTS _locks (key TEXT PRIMARY KEY, owner TEXT NOT NULL, ends REAL NOT NULL);
    CREATE TABLE IF NOT EXISTS _counters (
        identifier TEXT NOT NULL, period TEXT NOT NULL, period_date INTEGER NOT NULL,
        service_id TEXT NOT NULL, route_id TEXT NOT NULL, value INTEGER NOT NULL, ends REAL NOT NULL,
        PRIMARY KEY (identifier, period, period_date, service_id, route_id)
    ) WITHOUT ROWID;
";

/// Makes what is missing, all of it or nothing.
///
/// # Errors
/// What the database says.
pub(super) async fn complete<'a>(
    connection: &mut SqliteConnection,
    tables: impl Iterator<Item = &'a Table>,
) -> Result<(), DbError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    sqlx::raw_sql(ASIDE).execute(&mut *transaction).await.map_err(failed)?;
    for table in tables {
        complete_table(&mut transaction, table).await?;
    }
    transaction.commit().await.map_err(failed)
}

async fn complete_table(connection: &mut SqliteConnection, table: &Table) -> Result<(), DbError> {
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {} ({} TEXT PRIMARY KEY NOT NULL, {} TEXT NOT NULL)",
        table.name,
        quoted(KEY),
        quoted(ENTITY)
    );
    execute(connection, &create, Vec::new()).await.map_err(failed)?;
    let known = columns_of(connection, table).await?;
    for name in own_columns(&table.model).filter(|name| !known.contains(*name)) {
        let (kind, value) = match name {
            ENDS => ("REAL", "NULL".to_owned()),
            CACHE_KEY => ("TEXT", cache_key_of_row(table)),
            _ => ("TEXT REFERENCES \"workspaces\" (\"_key\")", value_of_field(WORKSPACE)),
        };
        add_column(connection, table, name, kind, &value).await?;
    }
    for column in table.columns.iter().filter(|column| !known.contains(&column.name)) {
        let kind = match &column.rule {
            Rule::Foreign { table, cascades } => {
                let action = if *cascades { " ON DELETE CASCADE" } else { "" };
                format!("TEXT REFERENCES {table} ({}){action}", quoted(KEY))
            }
            Rule::Unique { .. } | Rule::Indexed => "TEXT".to_owned(),
        };
        add_column(connection, table, &column.name, &kind, &value_of_field(&column.field)).await?;
    }
    for index in indexes(table) {
        execute(connection, &index, Vec::new()).await.map_err(failed)?;
    }
    Ok(())
}

async fn columns_of(connection: &mut SqliteConnection, table: &Table) -> Result<HashSet<String>, DbError> {
    let sql = format!("SELECT name FROM pragma_table_info({})", literal(&table.model.table));
    let found = rows(connection, &sql, Vec::new()).await?;
    found.iter().map(|row| sql::text(row, 0)).collect()
}

/// Adds a column, and fills it from the entities that are there already.
async fn add_column(
    connection: &mut SqliteConnection,
    table: &Table,
    name: &str,
    kind: &str,
    value: &str,
) -> Result<(), DbError> {
    let add = format!("ALTER TABLE {} ADD COLUMN {} {kind}", table.name, quoted(name));
    execute(connection, &add, Vec::new()).await.map_err(failed)?;
    let fill = format!("UPDATE {} SET {} = {value}", table.name, quoted(name));
    execute(connection, &fill, Vec::new()).await.map(drop).map_err(failed)
}

/// The value of a field in a row's entity: itself, or the id of the entity that it points to; none if that is empty.
fn value_of_field(field: &str) -> String {
    let path = |rest: &str| literal(&format!("$.\"{field}\"{rest}"));
    let entity = quoted(ENTITY);
    format!(
        "NULLIF(COALESCE(json_extract({entity}, {}), CASE json_type({entity}, {whole}) WHEN 'object' THEN NULL \
         ELSE CAST(json_extract({entity}, {whole}) AS TEXT) END), '')",
        path(".id"),
        whole = path(""),
    )
}

/// The composite cache key of a row's entity, as
/// [`EntityModel::cache_key_text`](crate::db::EntityModel::cache_key_text) writes it.
fn cache_key_of_row(table: &Table) -> String {
    let part = |name: &String| format!("COALESCE({}, '')", value_of_field(name));
    let parts: Vec<String> = table.model.cache_key.iter().map(part).collect();
    let name = &table.model.name;
    if name == "keys" {
        return format!("'keys:' || {}", parts.join(" || ':' || "));
    }
    let padding = ":".repeat(5_usize.saturating_sub(parts.len()));
    let workspace = if table.model.workspaceable { part(&WORKSPACE.to_owned()) } else { "''".to_owned() };
    format!(
        "{} || {} || '{padding}:' || {workspace}",
        literal(&format!("{name}:")),
        parts.join(" || ':' || ")
    )
}

fn indexes(table: &Table) -> Vec<String> {
    let create = |unique: &str, name: &str, columns: &str| {
        let index = quoted(&format!("{}{name}", table.model.table));
        format!("CREATE {unique}INDEX IF NOT EXISTS {index} ON {} ({columns})", table.name)
    };
    let mut all = Vec::new();
    if table.model.has_composite_cache_key() {
        all.push(create("UNIQUE ", CACHE_KEY, &quoted(CACHE_KEY)));
    }
    if table.model.has_ttl {
        all.push(create("", ENDS, &quoted(ENDS)));
    }
    if table.model.workspaceable {
        all.push(create("", "_by_ws_id", &format!("{WORKSPACE}, {}", quoted(KEY))));
    }
    for column in &table.columns {
        let (name, column_name) = (format!("_by_{}", column.name), quoted(&column.name));
        all.push(match column.rule {
            Rule::Foreign { .. } => create("", &name, &format!("{column_name}, {}", quoted(KEY))),
            Rule::Indexed => create("", &name, &column_name),
            Rule::Unique { across_workspaces: true } => create("UNIQUE ", &name, &column_name),
            Rule::Unique { across_workspaces: false } => {
                create("UNIQUE ", &name, &format!("{column_name}, {WORKSPACE}"))
            }
        });
    }
    all
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
