//! Reading rows.

use std::sync::Arc;

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use super::sql::{self, Bound, failed, quoted, row, rows};
use super::table::{CACHE_KEY, KEY, Rule, Table};
use crate::db::model::part_text;
use crate::db::page::{key_offset, offset_key};
use crate::db::records::{offset_of_tags, tag_offset};
use crate::db::{DbError, Entities, Entity, Page, Place, Query, Rows, TagFilter, TagPage, Tagged, View};

/// The row at a place.
pub(super) async fn at(
    connection: &mut SqliteConnection,
    table: &Table,
    place: &Place,
    view: &View,
) -> Result<Option<Arc<Entity>>, DbError> {
    match place {
        Place::Key(key) => select(connection, table, key, view).await,
        Place::Field(field, value) => select_by(connection, table, field, value, view).await,
    }
}

pub(super) async fn select(
    connection: &mut SqliteConnection,
    table: &Table,
    key: &Entity,
    view: &View,
) -> Result<Option<Arc<Entity>>, DbError> {
    find(connection, table, KEY, table.model.key_text(key), view).await
}

pub(super) async fn select_by(
    connection: &mut SqliteConnection,
    table: &Table,
    field: &str,
    value: &Value,
    view: &View,
) -> Result<Option<Arc<Entity>>, DbError> {
    let value = part_text(Some(value));
    if table.model.primary_key.as_slice() == [field] {
        return find(connection, table, KEY, value, view).await;
    }
    let Some(column) = table.column(field) else {
        return Err(DbError::database(format!("sqlite: {} cannot be found by {field}", table.model.name)));
    };
    let is_across = matches!(column.rule, Rule::Unique { across_workspaces: true });
    let view = View { workspace: view.workspace.clone().filter(|_| !is_across), ..view.clone() };
    find(connection, table, &column.name, value, &view).await
}

pub(super) async fn select_by_cache_key(
    connection: &mut SqliteConnection,
    table: &Table,
    cache_key: String,
    view: &View,
) -> Result<Option<Arc<Entity>>, DbError> {
    if !table.model.has_composite_cache_key() {
        return Err(DbError::database(format!("sqlite: {} has no composite cache key", table.model.name)));
    }
    find(connection, table, CACHE_KEY, cache_key, view).await
}

async fn find(
    connection: &mut SqliteConnection,
    table: &Table,
    column: &str,
    value: String,
    view: &View,
) -> Result<Option<Arc<Entity>>, DbError> {
    let (mut conditions, mut values) = (vec![format!("{} = ?", quoted(column))], vec![Bound::from(value)]);
    table.limit_to(view, &mut conditions, &mut values);
    let sql = format!("{} WHERE {} LIMIT 1", table.select(), conditions.join(" AND "));
    row(connection, &sql, values).await?.map(|row| table.entity(&row, view)).transpose()
}

/// All rows whose foreign field has a primary key, in all workspaces, expired ones too.
pub(super) async fn below(
    connection: &mut SqliteConnection,
    table: &Table,
    field: &str,
    key: &str,
) -> Result<Vec<Arc<Entity>>, DbError> {
    let view = View { skip_ttl: true, ..View::default() };
    let Some(column) = table.column(field) else { return Ok(Vec::new()) };
    let sql = format!("{} WHERE {} = ?", table.select(), quoted(&column.name));
    let found = rows(connection, &sql, vec![Bound::from(key)]).await?;
    found.iter().map(|row| table.entity(row, &view)).collect()
}

pub(super) async fn page(
    connection: &mut SqliteConnection,
    table: &Table,
    query: &Query,
    view: &View,
) -> Result<Page, DbError> {
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    if let Some(offset) = &query.page.offset {
        let key: Vec<String> =
            offset_key(offset, &table.model)?.iter().map(|part| part_text(Some(part))).collect();
        conditions.push(format!("{} > ?", quoted(KEY)));
        values.push(Bound::from(key.join(":")));
    }
    if let Some((field, key)) = &query.below {
        let Some(column) = table.column(field) else {
            return Err(DbError::database(format!("sqlite: {} has no field {field}", table.model.name)));
        };
        conditions.push(format!("{} = ?", quoted(&column.name)));
        values.push(Bound::from(part_text(Some(&Value::Object(key.clone())))));
    }
    if let Some(filter) = &query.page.tags {
        tagged(table, filter, &mut conditions, &mut values);
    }
    table.limit_to(view, &mut conditions, &mut values);
    let filter =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let size = query.page.size;
    let sql = format!("{}{filter} ORDER BY {} LIMIT ?", table.select(), quoted(KEY));
    values.push(Bound::Integer(i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1)));
    let found = rows(connection, &sql, values).await?;
    let page: Vec<Arc<Entity>> =
        found.iter().take(size).map(|row| table.entity(row, view)).collect::<Result<_, _>>()?;
    let last = page.last().filter(|_| found.len() > size);
    let offset = last.map(|row| {
        let key = table.model.primary_key.iter().map(|name| row.get(name).cloned().unwrap_or_default());
        key_offset(&key.collect::<Vec<_>>())
    });
    Ok(Page { rows: page, offset })
}

fn tagged(table: &Table, filter: &TagFilter, conditions: &mut Vec<String>, values: &mut Vec<Bound>) {
    let (tags, least) = match filter {
        TagFilter::All(tags) => (tags, tags.len()),
        TagFilter::Any(tags) => (tags, 1),
    };
    let places = vec!["?"; tags.len()].join(", ");
    conditions.push(format!(
        "{} IN (SELECT entity_id FROM _tags WHERE entity_name = ? AND tag IN ({places}) GROUP BY entity_id \
         HAVING COUNT(*) >= ?)",
        quoted(KEY)
    ));
    values.push(Bound::from(table.model.name.as_str()));
    values.extend(tags.iter().map(|tag| Bound::from(tag.as_str())));
    values.push(Bound::Integer(least as i64));
}

/// All rows of some tables, as they were at one moment.
pub(super) async fn load<'a>(
    connection: &mut SqliteConnection,
    tables: impl Iterator<Item = &'a Table>,
) -> Result<Entities, DbError> {
    let view = View::default();
    let mut transaction = connection.begin().await.map_err(failed)?;
    let mut all = Entities::new();
    for table in tables {
        let (mut conditions, mut values) = (vec!["TRUE".to_owned()], Vec::new());
        table.limit_to(&view, &mut conditions, &mut values);
        let sql = format!("{} WHERE {} ORDER BY {}", table.select(), conditions.join(" AND "), quoted(KEY));
        let mut loaded = Rows::default();
        for row in rows(&mut transaction, &sql, values).await? {
            loaded.insert(sql::text(&row, 2)?.into(), table.entity(&row, &view)?);
        }
        all.insert(table.model.name.clone(), loaded);
    }
    transaction.commit().await.map_err(failed)?;
    Ok(all)
}

pub(super) async fn page_tags(
    connection: &mut SqliteConnection,
    tag: Option<String>,
    size: usize,
    offset: Option<String>,
) -> Result<TagPage, DbError> {
    let skip = tag_offset(offset.as_deref())?;
    let filter = if tag.is_some() { " WHERE tag = ?" } else { "" };
    let sql = format!(
        "SELECT entity_name, entity_id, tag FROM _tags{filter} ORDER BY tag, entity_name, entity_id LIMIT ? \
         OFFSET ?"
    );
    let mut values: Vec<Bound> = tag.into_iter().map(Bound::from).collect();
    let limit = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
    values.extend([Bound::Integer(limit), Bound::Integer(i64::try_from(skip).unwrap_or(i64::MAX))]);
    let found = rows(connection, &sql, values).await?;
    let tagged = |row| {
        Ok::<_, DbError>(Tagged { kind: sql::text(row, 0)?, id: sql::text(row, 1)?, tag: sql::text(row, 2)? })
    };
    let page: Vec<Tagged> = found.iter().take(size).map(tagged).collect::<Result<_, _>>()?;
    let offset = (found.len() > size).then(|| offset_of_tags(skip.saturating_add(size)));
    Ok(TagPage { rows: page, offset })
}
