//! Reading rows.

use std::sync::Arc;

use base64::Engine;
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::response::PagingState;
use scylla::value::CqlValue;
use serde_json::{Value, json};

use super::session::{Session, Statement, text};
use super::table::{Stored, Table};
use super::tables::Tables;
use crate::db::page::BASE64;
use crate::db::{
    DbError, Entities, Entity, FieldKind, Page, Place, Query, Rows, TagFilter, TagPage, Tagged, View,
};
use crate::observability::log;

/// How many requests of one kind are under way at a time.
pub(super) const AT_ONCE: usize = 128;
/// How many tables are read at a time.
const TABLES_AT_ONCE: usize = 8;
/// How many pages of the server are read for one of ours where few rows are wanted.
const ROUNDS: usize = 20;

/// The row with a primary key.
pub(super) async fn at_key(
    session: &Session,
    table: &Table,
    key: &Entity,
) -> Result<Option<Stored>, DbError> {
    let found = rows(session, table, &table.at_key(key)?).await?;
    Ok(found.into_iter().next())
}

/// The rows with a value of a field, in the order of their keys; `workspace` is the one of fields that are unique in
/// one, all of them if none is named.
pub(super) async fn at_field(
    session: &Session,
    table: &Table,
    field: &str,
    value: &Value,
    workspace: Option<&str>,
) -> Result<Vec<Stored>, DbError> {
    let mut found = Vec::new();
    if workspace.is_none() && table.needs_workspace(field) {
        for id in workspaces(session).await? {
            if let Some(statement) = table.at_field(field, value, Some(&id))? {
                found.extend(rows(session, table, &statement).await?);
            }
        }
    } else if let Some(statement) = table.at_field(field, value, workspace)? {
        found = rows(session, table, &statement).await?;
    }
    found.sort_by_cached_key(|row| table.model.key_text(&row.entity));
    Ok(found)
}

async fn rows(session: &Session, table: &Table, statement: &Statement) -> Result<Vec<Stored>, DbError> {
    let found = session.rows(&statement.cql, &statement.values).await?;
    Ok(found.iter().map(|row| table.read(&row.columns)).collect())
}

async fn workspaces(session: &Session) -> Result<Vec<String>, DbError> {
    let found = session.rows("SELECT id FROM workspaces", &[]).await?;
    let id = |row: &scylla::value::Row| match row.columns.first() {
        Some(Some(CqlValue::Uuid(id))) => Some(id.to_string()),
        _ => None,
    };
    Ok(found.iter().filter_map(id).collect())
}

/// The row at a place that a view shows.
pub(super) async fn at(
    session: &Session,
    table: &Table,
    place: &Place,
    view: &View,
) -> Result<Option<Arc<Entity>>, DbError> {
    let shown = |row: Option<Stored>, view: &View| row.map(|row| table.shown(&row, view));
    match place {
        Place::Key(key) => {
            let found = at_key(session, table, key).await?;
            Ok(shown(found.filter(|row| table.is_seen(row, view)), view))
        }
        Place::Field(field, value) => {
            let is_across = table.model.unique_field(field).is_some_and(|field| field.across_workspaces);
            let workspace = view.workspace.clone().filter(|_| !is_across);
            let view = View { workspace, ..view.clone() };
            let found = at_field(session, table, field, value, view.workspace.as_deref()).await?;
            Ok(shown(found.into_iter().find(|row| table.is_seen(row, &view)), &view))
        }
    }
}

// ---- pages -------------------------------------------------------------------------------------------

/// A page of rows.
pub(super) async fn page(
    session: &Session,
    table: &Table,
    query: &Query,
    view: &View,
) -> Result<Page, DbError> {
    let position = Position::of(query.page.offset.as_deref())?;
    let page = match &query.page.tags {
        Some(filter) if query.below.is_none() && table.model.has_tags => {
            tagged_page(session, table, filter, query, view, position).await
        }
        _ => plain_page(session, table, query, view, position).await,
    };
    page.map_err(|error| not_an_offset(error, query.page.offset.as_deref()))
}

async fn plain_page(
    session: &Session,
    table: &Table,
    query: &Query,
    view: &View,
    position: Position,
) -> Result<Page, DbError> {
    let statement = match &query.below {
        Some((field, key)) => table.at_field(field, &Value::Object(key.clone()), None)?,
        None => Some(table.all()),
    };
    let Some(statement) = statement else { return Ok(Page::default()) };
    let is_wanted = |row: &Stored| {
        table.is_seen(row, view) && query.page.tags.as_ref().is_none_or(|filter| filter.matches(&row.entity))
    };
    let mut page = Page::default();
    let mut state = position.state();
    for _ in 0..ROUNDS {
        let left = query.page.size.saturating_sub(page.rows.len());
        let (found, next) = session.page(&statement.cql, &statement.values, left, state).await?;
        let seen = found.iter().map(|row| table.read(&row.columns)).filter(is_wanted);
        page.rows.extend(seen.map(|row| table.shown(&row, view)));
        let Some(next) = next else { return Ok(page) };
        page.offset = offset(0, &next);
        if page.rows.len() >= query.page.size {
            break;
        }
        state = next;
    }
    trim(session, &statement, page).await
}

/// Takes the offset from a page that nothing comes after: the server may say that there is more where there is not.
async fn trim(session: &Session, statement: &Statement, page: Page) -> Result<Page, DbError> {
    let state = Position::of(page.offset.as_deref())?.state();
    let (found, next) = session.page(&statement.cql, &statement.values, 1, state).await?;
    let is_last = found.is_empty() && next.is_none();
    Ok(Page { offset: page.offset.filter(|_| !is_last), ..page })
}

/// A page of rows with tags. Of several tags any of which will do, a row comes with the first that it has.
async fn tagged_page(
    session: &Session,
    table: &Table,
    filter: &TagFilter,
    query: &Query,
    view: &View,
    mut position: Position,
) -> Result<Page, DbError> {
    const IDS: &str = "SELECT entity_id, other_tags FROM tags WHERE tag = ? AND entity_name = ?";
    let mut tags: Vec<&str> = match filter {
        TagFilter::All(tags) | TagFilter::Any(tags) => tags.iter().map(String::as_str).collect(),
    };
    tags.sort_unstable();
    tags.dedup();
    if matches!(filter, TagFilter::All(_)) {
        tags.truncate(1);
    }
    let mut page = Page::default();
    while let Some(tag) = tags.get(position.tag) {
        let earlier = tags.get(..position.tag).unwrap_or_default();
        let statement =
            Statement { cql: IDS.into(), values: vec![text(*tag), text(table.model.name.as_str())] };
        let left = query.page.size.saturating_sub(page.rows.len());
        let (found, next) = session.page(&statement.cql, &statement.values, left, position.state()).await?;
        let ids = found.iter().filter_map(|row| match row.columns.as_slice() {
            [Some(CqlValue::Text(id)), others] => Some((id.clone(), texts(others.as_ref()))),
            _ => None,
        });
        let ids = ids.filter(|(_, others)| !others.iter().any(|other| earlier.contains(&other.as_str())));
        let found = by_id(session, table, ids.map(|(id, _)| id).collect()).await?;
        let wanted = found.iter().filter(|row| table.is_seen(row, view) && filter.matches(&row.entity));
        page.rows.extend(wanted.map(|row| table.shown(row, view)));
        position = match next {
            Some(next) => Position { tag: position.tag, state: bytes(&next) },
            None => Position { tag: position.tag + 1, state: None },
        };
        page.offset = (position.tag < tags.len()).then(|| position.to_offset());
        if page.rows.len() >= query.page.size {
            break;
        }
    }
    Ok(page)
}

async fn by_id(session: &Session, table: &Table, ids: Vec<String>) -> Result<Vec<Stored>, DbError> {
    let keys = ids.into_iter().map(|id| Entity::from_iter([("id".to_owned(), Value::from(id))]));
    let rows = keys.map(|key| async move { at_key(session, table, &key).await });
    let found: Vec<Option<Stored>> = stream::iter(rows).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

fn texts(value: Option<&CqlValue>) -> Vec<String> {
    let found = value.map(|value| super::value::read(value, &FieldKind::Set(Box::new(FieldKind::Text))));
    let items = found.as_ref().and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A page of tags.
pub(super) async fn page_tags(
    session: &Session,
    tables: &Tables,
    tag: Option<String>,
    size: usize,
    offset: Option<String>,
) -> Result<TagPage, DbError> {
    const ALL: &str = "SELECT tag, entity_name, entity_id FROM tags";
    let statement = match tag {
        Some(tag) => Statement { cql: format!("{ALL} WHERE tag = ?").into(), values: vec![text(tag)] },
        None => Statement { cql: ALL.into(), values: Vec::new() },
    };
    let state = Position::of(offset.as_deref())?.state();
    let (found, next) = session
        .page(&statement.cql, &statement.values, size, state)
        .await
        .map_err(|error| not_an_offset(error, offset.as_deref()))?;
    let tagged = |row: &scylla::value::Row| match row.columns.as_slice() {
        [Some(CqlValue::Text(tag)), Some(CqlValue::Text(name)), Some(CqlValue::Text(id))] => {
            Some(Tagged { kind: tables.kind_of(name).to_owned(), id: id.clone(), tag: tag.clone() })
        }
        _ => None,
    };
    let rows = found.iter().filter_map(tagged).collect();
    let Some(next) = next else { return Ok(TagPage { rows, offset: None }) };
    let page = trim(session, &statement, Page { rows: Vec::new(), offset: self::offset(0, &next) }).await?;
    Ok(TagPage { rows, offset: page.offset })
}

// ---- offsets -----------------------------------------------------------------------------------------

/// Where a page begins: which of several tags it is at, and the server's paging state.
struct Position {
    tag: usize,
    state: Option<Vec<u8>>,
}

impl Position {
    fn of(offset: Option<&str>) -> Result<Position, DbError> {
        let Some(offset) = offset else { return Ok(Position { tag: 0, state: None }) };
        let invalid = || DbError::invalid_offset(offset, "bad offset string");
        let bytes =
            BASE64.decode(offset).map_err(|_| DbError::invalid_offset(offset, "bad base64 encoding"))?;
        let (tag, state) = bytes.split_first().ok_or_else(invalid)?;
        Ok(Position { tag: usize::from(*tag), state: (!state.is_empty()).then(|| state.to_vec()) })
    }

    fn state(&self) -> PagingState {
        self.state.clone().map_or_else(PagingState::start, PagingState::new_from_raw_bytes)
    }

    fn to_offset(&self) -> String {
        let mut bytes = vec![u8::try_from(self.tag).unwrap_or(u8::MAX)];
        bytes.extend(self.state.iter().flatten());
        BASE64.encode(bytes)
    }
}

fn offset(tag: usize, state: &PagingState) -> Option<String> {
    Some(Position { tag, state: bytes(state) }.to_offset())
}

fn bytes(state: &PagingState) -> Option<Vec<u8>> {
    state.as_bytes_slice().map(|bytes| bytes.to_vec())
}

/// An offset that decodes, but to something that the server did not hand out.
fn not_an_offset(error: DbError, offset: Option<&str>) -> DbError {
    match offset {
        Some(offset) if error.message.contains("paging state") => {
            DbError::invalid_offset(offset, "bad offset string")
        }
        _ => error,
    }
}

// ---- everything --------------------------------------------------------------------------------------

/// All rows of some kinds, without those whose references lead nowhere.
///
/// There is no moment that all of them are of: children are read before their parents, so that whatever was made
/// meanwhile is left out or whole.
pub(super) async fn load(session: &Session, tables: &Tables, kinds: &[String]) -> Result<Entities, DbError> {
    let mut by_age: Vec<&String> = kinds.iter().collect();
    by_age.sort_by_key(|kind| std::cmp::Reverse(tables.model.kinds().position(|other| other.name == **kind)));
    let reads = by_age.into_iter().cloned().map(|kind| async move {
        let table = tables.of(&kind)?;
        Ok::<_, DbError>((kind, all(session, table).await?))
    });
    let mut found: Entities = stream::iter(reads).buffered(TABLES_AT_ONCE).try_collect().await?;
    let mut all = Entities::new();
    for kind in kinds {
        all.insert(kind.clone(), found.swap_remove(kind).unwrap_or_default());
    }
    for model in tables.model.kinds() {
        for field in &model.foreign {
            let Some(parents) = all.get(&field.reference).map(|rows| rows.keys().cloned().collect()) else {
                continue;
            };
            drop_orphans(&mut all, tables, &model.name, &field.name, &field.reference, &parents);
        }
    }
    Ok(all)
}

async fn all(session: &Session, table: &Table) -> Result<Rows, DbError> {
    let view = View::default();
    let mut found = rows(session, table, &table.all()).await?;
    found.sort_by_cached_key(|row| table.model.key_text(&row.entity));
    let row = |row: Stored| (Arc::from(table.model.key_text(&row.entity)), table.shown(&row, &view));
    Ok(found.into_iter().map(row).collect())
}

/// The rows of a table, unless they are more than so many.
pub(super) async fn few(
    session: &Session,
    table: &Table,
    limit: usize,
) -> Result<Option<Vec<Stored>>, DbError> {
    /// Rows of a page.
    const PAGE: usize = 2000;
    let all = table.all();
    let mut rows = Vec::new();
    let mut state = PagingState::start();
    loop {
        let (found, next) = session.page(&all.cql, &all.values, PAGE.min(limit), state).await?;
        rows.extend(found.iter().map(|row| table.read(&row.columns)));
        let Some(next) = next.filter(|_| rows.len() <= limit) else { break };
        state = next;
    }
    Ok((rows.len() <= limit).then_some(rows))
}

fn drop_orphans(
    all: &mut Entities,
    tables: &Tables,
    kind: &str,
    field: &str,
    reference: &str,
    parents: &std::collections::HashSet<Arc<str>>,
) {
    let Some(parent) = tables.model.kind(reference) else { return };
    let Some(rows) = all.get_mut(kind) else { return };
    rows.retain(|id, row| {
        let Some(Value::Object(key)) = row.get(field) else { return true };
        let is_there = parents.contains(parent.key_text(key).as_str());
        if !is_there {
            log::warn!("the row {id} of {kind} is left out: its {field} {} is not there", json!(key));
        }
        is_there
    });
}
