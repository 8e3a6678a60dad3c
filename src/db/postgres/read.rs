//! Reading rows.

use std::sync::Arc;

use serde_json::Value;
use sqlx::Row;

use super::session::{Failure, Session, is_data_exception, told};
use super::table::{Conditions, Table};
use super::value;
use crate::db::page::{BAD_OFFSET, key_offset, offset_key, offset_parts};
use crate::db::{DbError, Entities, Entity, Page, Place, Query, Rows, TagFilter, TagPage, Tagged, View};
use crate::schema::is_uuid;

use super::tables::Tables;

/// The row at a place; with `lock` nobody else changes it before the transaction ends.
pub(super) async fn at(
    session: &mut Session,
    table: &Table,
    place: &Place,
    view: &View,
    lock: &str,
) -> Result<Option<Arc<Entity>>, DbError> {
    let mut conditions = Conditions::default();
    match place {
        Place::Key(key) => table.at_key(key, &mut conditions),
        Place::Field(field, value) => {
            if !table.at_field(field, value, &mut conditions) {
                let kind = &table.model.name;
                return Err(DbError::database(format!("{kind} cannot be found by {field}")));
            }
        }
    }
    let is_across = match place {
        Place::Key(_) => false,
        Place::Field(field, _) => {
            table.model.unique_field(field).is_some_and(|field| field.across_workspaces)
        }
    };
    let view = View { workspace: view.workspace.clone().filter(|_| !is_across), ..view.clone() };
    one(session, table, &view, conditions, lock).await
}

/// The row with a composite cache key.
pub(super) async fn at_cache_key(
    session: &mut Session,
    table: &Table,
    cache_key: String,
    view: &View,
) -> Result<Option<Arc<Entity>>, DbError> {
    let mut conditions = Conditions::default();
    if !table.at_field("cache_key", &Value::from(cache_key), &mut conditions) {
        return Err(DbError::database(format!("{} has no composite cache key", table.model.name)));
    }
    one(session, table, view, conditions, "").await
}

async fn one(
    session: &mut Session,
    table: &Table,
    view: &View,
    mut conditions: Conditions,
    lock: &str,
) -> Result<Option<Arc<Entity>>, DbError> {
    table.limit_to(view, &mut conditions);
    let sql = table.query(view, &conditions, &format!(" LIMIT 1{lock}"));
    match session.entities(sql, conditions.parameters).await {
        Ok(found) => Ok(found.into_iter().next().map(Arc::new)),
        // a value that no column can hold: no row has it
        Err(error) if is_data_exception(&error) => Ok(None),
        Err(error) => Err(told(&error)),
    }
}

/// All rows whose foreign field has a primary key, in all workspaces, expired ones too.
pub(super) async fn below(
    session: &mut Session,
    table: &Table,
    field: &str,
    key: &Entity,
) -> Result<Vec<Arc<Entity>>, DbError> {
    let view = View { skip_ttl: true, ..View::default() };
    let mut conditions = Conditions::default();
    table.at_field(field, &Value::Object(key.clone()), &mut conditions);
    let order = table.key_columns().map(|column| column.quoted.as_str()).collect::<Vec<_>>().join(", ");
    let sql = table.query(&view, &conditions, &format!(" ORDER BY {order} FOR UPDATE"));
    let found = session.entities(sql, conditions.parameters).await.map_err(|error| told(&error))?;
    Ok(found.into_iter().map(Arc::new).collect())
}

pub(super) async fn page(
    session: &mut Session,
    table: &Table,
    query: &Query,
    view: &View,
) -> Result<Page, DbError> {
    let mut conditions = Conditions::default();
    let keys: Vec<&str> = table.key_columns().map(|column| column.quoted.as_str()).collect();
    if let Some(offset) = &query.page.offset {
        after(table, offset, &keys, &mut conditions)?;
    }
    if let Some((field, key)) = &query.below {
        table.at_field(field, &Value::Object(key.clone()), &mut conditions);
    }
    if let Some(filter) = &query.page.tags {
        tagged(filter, &mut conditions);
    }
    table.limit_to(view, &mut conditions);
    let size = query.page.size;
    let more =
        format!(" ORDER BY {} LIMIT {}", keys.join(", "), size.saturating_add(1).min(i64::MAX as usize));
    let sql = table.query(view, &conditions, &more);
    let found = session.entities(sql, conditions.parameters).await;
    let mut rows = found.map_err(|error| not_an_offset(&error, query).unwrap_or_else(|| told(&error)))?;
    let has_more = rows.len() > size;
    rows.truncate(size);
    let offset = rows.last().filter(|_| has_more).map(|row| {
        let key = table.model.primary_key.iter().map(|name| row.get(name).cloned().unwrap_or_default());
        key_offset(&key.collect::<Vec<_>>())
    });
    Ok(Page { rows: rows.into_iter().map(Arc::new).collect(), offset })
}

/// Only rows after the one that an offset stands for.
fn after(table: &Table, offset: &str, keys: &[&str], conditions: &mut Conditions) -> Result<(), DbError> {
    let last = offset_key(offset, &table.model)?;
    let key: Entity = table.model.primary_key.iter().cloned().zip(last).collect();
    let mut at = Conditions::default();
    table.at_key(&key, &mut at);
    let mut places = Vec::new();
    for (column, value) in table.key_columns().zip(at.parameters) {
        let number = conditions.parameter(value);
        places.push(column.place(number));
    }
    conditions.add(format!("({}) > ({})", keys.join(", "), places.join(", ")));
    Ok(())
}

/// An offset that decodes, but to something that is no key of this table.
fn not_an_offset(error: &Failure, query: &Query) -> Option<DbError> {
    let offset = query.page.offset.as_ref().filter(|_| is_data_exception(error))?;
    Some(DbError::invalid_offset(offset, BAD_OFFSET))
}

fn tagged(filter: &TagFilter, conditions: &mut Conditions) {
    let (tags, operator) = match filter {
        TagFilter::All(tags) => (tags, "@>"),
        TagFilter::Any(tags) => (tags, "&&"),
    };
    let tags = tags.iter().map(|tag| Value::from(tag.as_str())).collect();
    let number = conditions.parameter(value::parameter(&Value::Array(tags), "text[]"));
    conditions.add(format!("tags {operator} ${number}::text[]"));
}

/// All rows of some kinds, as they were at one moment.
pub(super) async fn load(
    session: &mut Session,
    tables: &Tables,
    kinds: &[String],
) -> Result<Entities, DbError> {
    session.begin_long("ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(|error| told(&error))?;
    let loaded = load_all(session, tables, kinds).await;
    session.end(loaded).await
}

async fn load_all(session: &mut Session, tables: &Tables, kinds: &[String]) -> Result<Entities, DbError> {
    let view = View::default();
    let mut all = Entities::new();
    for kind in kinds {
        let table = tables.of(kind)?;
        let mut conditions = Conditions::default();
        table.limit_to(&view, &mut conditions);
        let order: Vec<&str> = table.key_columns().map(|column| column.quoted.as_str()).collect();
        let sql = table.query(&view, &conditions, &format!(" ORDER BY {}", order.join(", ")));
        let found = session.entities(sql, conditions.parameters).await.map_err(|error| told(&error))?;
        let rows: Rows =
            found.into_iter().map(|row| (Arc::from(table.model.key_text(&row)), Arc::new(row))).collect();
        all.insert(kind.clone(), rows);
    }
    Ok(all)
}

/// A page of tags, in the order of the entities that have them.
pub(super) async fn page_tags(
    session: &mut Session,
    tables: &Tables,
    tag: Option<String>,
    size: usize,
    offset: Option<String>,
) -> Result<TagPage, DbError> {
    let mut conditions = Conditions::default();
    if let Some(tag) = tag {
        let number = conditions.parameter(Some(tag));
        conditions.add(format!("tag = ${number}"));
    }
    if let Some(offset) = &offset {
        let last = offset_parts(offset)?;
        let [Value::String(id), Value::Number(place)] = last.as_slice() else {
            return Err(DbError::invalid_offset(offset, BAD_OFFSET));
        };
        if !is_uuid(id) || !place.is_i64() {
            return Err(DbError::invalid_offset(offset, BAD_OFFSET));
        }
        let (id, place) =
            (conditions.parameter(Some(id.clone())), conditions.parameter(Some(place.to_string())));
        conditions.add(format!("(entity_id, place) > (${id}::uuid, ${place}::bigint)"));
    }
    let sql = format!(
        "SELECT entity_name, entity_id::text, tag, place FROM tags, unnest(tags) WITH ORDINALITY AS own (tag, place)\
         {conditions} ORDER BY entity_id, place LIMIT {}",
        size.saturating_add(1)
    );
    let mut found = session.rows(sql, conditions.parameters).await.map_err(|error| told(&error))?;
    let has_more = found.len() > size;
    found.truncate(size);
    let read = |row: &sqlx::postgres::PgRow| -> Result<(Tagged, i64), Failure> {
        let table: String = row.try_get(0)?;
        let kind = tables.kind_of(&table).to_owned();
        Ok((Tagged { kind, id: row.try_get(1)?, tag: row.try_get(2)? }, row.try_get(3)?))
    };
    let rows = found.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(|error| told(&error))?;
    let last = rows.last().filter(|_| has_more);
    let offset =
        last.map(|(tagged, place)| key_offset(&[Value::from(tagged.id.as_str()), Value::from(*place)]));
    Ok(TagPage { rows: rows.into_iter().map(|(tagged, _)| tagged).collect(), offset })
}
