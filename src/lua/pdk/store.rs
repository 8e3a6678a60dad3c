//! `kong.db` over a database: questions go there and are waited for, as JSON texts on the way in and tables on the way
//! out.

use super::{settings, values};
use crate::db::{
    Answer as StoreAnswer, Change, ClusterEvent, Connector, DbError, Entity, EntityModel, Expiry, FieldKind,
    Page, PageRequest, Place, Query, Store, TagFilter, View, Write, Written,
};
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::task::Resume;
use crate::observability::log;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ffi::c_int;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long an event is kept, in seconds.
const EVENT_LIFETIME: f64 = 3600.0;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "store_find", find);
    frame.set_function(table, "store_page", page);
    frame.set_function(table, "store_page_tags", page_tags);
    frame.set_function(table, "store_write", write);
    frame.set_function(table, "store_truncate", truncate);
    frame.set_function(table, "store_info", info);
    frame.set_function(table, "cluster_broadcast", broadcast);
    frame.set_function(table, "cluster_is_shared", is_shared);
    frame.set_function(table, "cluster_events", events);
    frame.set_function(table, "store_tells", |frame| {
        let connector = settings().and_then(|settings| settings.connector.clone());
        frame.push_boolean(connector.is_some_and(|connector| connector.is_heard()));
        Ok(1)
    });
}

/// Which rows are seen.
#[derive(Deserialize)]
struct Seen {
    workspace: Option<String>,
    #[serde(default)]
    skip_ttl: bool,
    #[serde(default)]
    export: bool,
}

impl Seen {
    fn view(self) -> View {
        View { workspace: self.workspace, skip_ttl: self.skip_ttl, export: self.export }
    }
}

/// One row: by primary key, unique field or cache key.
#[derive(Deserialize)]
struct Find {
    kind: String,
    key: Option<Entity>,
    field: Option<String>,
    value: Option<Value>,
    #[serde(flatten)]
    seen: Seen,
}

#[derive(Deserialize)]
struct PageOf {
    kind: String,
    size: usize,
    offset: Option<String>,
    field: Option<String>,
    key: Option<Entity>,
    tags: Option<Vec<String>>,
    tags_cond: Option<String>,
    #[serde(flatten)]
    seen: Seen,
}

#[derive(Deserialize)]
struct Tags {
    tag: Option<String>,
    size: usize,
    offset: Option<String>,
}

/// A write of one row.
#[derive(Deserialize)]
struct Row {
    kind: String,
    verb: Verb,
    key: Option<Entity>,
    field: Option<String>,
    value: Option<Value>,
    #[serde(default)]
    entity: Entity,
    ttl: Option<f64>,
    workspace: Option<String>,
    #[serde(default)]
    skip_ttl: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Insert,
    Update,
    Upsert,
    Delete,
}

fn connector() -> Result<Arc<Connector>, Flow> {
    let connector = settings().and_then(|settings| settings.connector.clone());
    connector.ok_or_else(|| Flow::raise("there is no database"))
}

pub(super) fn store() -> Result<Arc<dyn Store>, Flow> {
    let store = connector()?.store().cloned();
    store.ok_or_else(|| Flow::raise("the database is not connected yet"))
}

/// The question in the first argument.
pub(super) fn question<T: DeserializeOwned>(frame: &Frame) -> Result<T, Flow> {
    serde_json::from_slice(frame.bytes(1)?).map_err(|error| Flow::raise(format!("no question: {error}")))
}

/// Waits for an answer of the store and pushes it; an error as nil and its table.
pub(super) fn wait<T: 'static>(
    frame: &Frame,
    answer: StoreAnswer<T>,
    push: impl FnOnce(&Frame, T) -> Answer + 'static,
) -> Answer {
    frame.wait(async move {
        let answer = answer.await;
        Box::new(move |frame: &Frame| match answer {
            Ok(found) => push(frame, found),
            Err(error) => push_error(frame, &error),
        }) as Resume
    })
}

pub(super) fn push_error(frame: &Frame, error: &DbError) -> Answer {
    frame.push_nil();
    values::push_object_with_nulls(frame, &error.to_json())?;
    Ok(2)
}

fn push_row(frame: &Frame, row: Option<&Entity>, nulls: bool) -> Result<(), Flow> {
    match row {
        None => frame.push_nil(),
        Some(row) if nulls => values::push_object_with_nulls(frame, row)?,
        Some(row) => values::push_object(frame, row)?,
    }
    Ok(())
}

/// Arguments: question, nulls. Answers the row; nil for none; nil and an error.
fn find(frame: &Frame) -> Answer {
    let Find { kind, key, field, value, seen } = question(frame)?;
    let (store, view, nulls) = (store()?, seen.view(), frame.truth(2));
    let answer = match (key, field.as_deref()) {
        (Some(key), _) => store.select(&kind, &key, &view),
        (None, Some("cache_key")) => {
            let cache_key = value.as_ref().and_then(Value::as_str).unwrap_or_default();
            store.select_by_cache_key(&kind, cache_key, &view)
        }
        (None, field) => store.select_by(&kind, field.unwrap_or_default(), &value.unwrap_or_default(), &view),
    };
    wait(frame, answer, move |frame, row| {
        push_row(frame, row.as_deref(), nulls)?;
        Ok(1)
    })
}

/// Arguments: question, nulls. Answers rows, nil and the next offset; nil and an error.
fn page(frame: &Frame) -> Answer {
    let PageOf { kind, size, offset, field, key, tags, tags_cond, seen } = question(frame)?;
    let nulls = frame.truth(2);
    let tags = tags.map(|tags| match tags_cond.as_deref() {
        Some("or") => TagFilter::Any(tags),
        _ => TagFilter::All(tags),
    });
    let query = Query { page: PageRequest { size, offset, tags }, below: field.zip(key) };
    wait(frame, store()?.page(&kind, &query, &seen.view()), move |frame, Page { rows, offset }| {
        frame.push_table(rows.len(), 0);
        for (at, row) in rows.iter().enumerate() {
            push_row(frame, Some(row), nulls)?;
            frame.set_index(-2, at + 1);
        }
        push_offset(frame, offset)
    })
}

/// Argument: question. Answers rows, nil and the next offset; nil and an error.
fn page_tags(frame: &Frame) -> Answer {
    let Tags { tag, size, offset } = question(frame)?;
    let answer = store()?.page_tags(tag.as_deref(), size, offset.as_deref());
    wait(frame, answer, |frame, page| {
        frame.push_table(page.rows.len(), 0);
        for (at, row) in page.rows.iter().enumerate() {
            frame.push_table(0, 3);
            for (name, text) in [("entity_name", &row.kind), ("entity_id", &row.id), ("tag", &row.tag)] {
                frame.push_text(text);
                frame.set_field(-2, name);
            }
            frame.set_index(-2, at + 1);
        }
        push_offset(frame, page.offset)
    })
}

fn push_offset(frame: &Frame, offset: Option<String>) -> Answer {
    frame.push_nil();
    match offset {
        Some(offset) => frame.push_text(&offset),
        None => frame.push_nil(),
    }
    Ok(3)
}

/// Arguments: question, nulls. Answers the row as it is now, and true after a delete that found one; nil and an error.
fn write(frame: &Frame) -> Answer {
    let row: Row = question(frame)?;
    let nulls = frame.truth(2);
    let settings = settings().ok_or_else(|| Flow::raise("there is no database"))?;
    let snapshot = settings.published.current();
    let kind = snapshot.dataset.as_ref().and_then(|dataset| dataset.model().kind(&row.kind));
    let kind = kind.ok_or_else(|| Flow::raise(format!("unknown entity: {}", row.kind)))?;
    let is_delete = row.verb == Verb::Delete;
    let change = change(kind, row)?;
    wait(frame, connector()?.write(vec![change]), move |frame, written: Vec<Written>| {
        let written = written.into_iter().next().unwrap_or_default();
        match is_delete {
            true if written.before.is_some() => frame.push_boolean(true),
            true => frame.push_nil(),
            false => push_row(frame, written.after.as_deref(), nulls)?,
        }
        Ok(1)
    })
}

fn change(kind: &EntityModel, row: Row) -> Result<Change, Flow> {
    let Row { verb, key, field, value, mut entity, ttl, workspace, skip_ttl, .. } = row;
    shape(kind, &mut entity);
    if let Some(workspace) = workspace.as_deref().filter(|_| kind.workspaceable) {
        entity.insert("ws_id".to_owned(), Value::from(workspace));
    }
    let expiry = Expiry::of(ttl.map(|ttl| ttl as i64), &entity, verb == Verb::Update, now());
    let place = match (key, field, value) {
        (Some(key), ..) => Some(Place::Key(key)),
        (None, Some(field), Some(value)) => Some(Place::Field(field, value)),
        _ => None,
    };
    let write = match (verb, place) {
        (Verb::Insert, _) => Write::Insert(entity, expiry),
        (Verb::Update, Some(place)) => Write::Update(place, entity, expiry),
        (Verb::Upsert, Some(place)) => Write::Upsert(place, entity, expiry),
        (Verb::Delete, Some(place)) => Write::Delete(place),
        (_, None) => return Err(Flow::raise("a write needs a key")),
    };
    Ok(Change { skip_ttl, ..Change::new(kind, workspace.as_deref(), write) })
}

/// Makes lists of the empty tables that stand for empty lists: Lua does not tell them apart.
fn shape(kind: &EntityModel, entity: &mut Entity) {
    for field in &kind.fields {
        let is_list = matches!(field.kind, FieldKind::Array(_) | FieldKind::Set(_));
        if let Some(value) = entity.get_mut(&field.name).filter(|_| is_list)
            && value.as_object().is_some_and(Entity::is_empty)
        {
            *value = Value::Array(Vec::new());
        }
    }
}

/// Argument: kind. Answers true; nil and an error.
fn truncate(frame: &Frame) -> Answer {
    let answer = store()?.truncate(&frame.text(1)?);
    wait(frame, answer, |frame, ()| {
        frame.push_boolean(true);
        Ok(1)
    })
}

/// The store, where other nodes share it: an embedded database has one node.
fn shared_store() -> Option<Arc<dyn Store>> {
    let settings = settings()?;
    settings.connector.as_ref()?.store().filter(|store| store.info().is_shared()).cloned()
}

/// Sends an event to all nodes that share the database, without waiting for it. Arguments: channel, data, the seconds
/// before which it is not to be heard.
fn broadcast(frame: &Frame) -> Answer {
    let (Some(settings), Some(store)) = (settings(), shared_store()) else { return Ok(0) };
    let delay = frame.optional_number(3)?;
    let not_before = delay.map(|delay| now() + delay);
    let channel = frame.text(1)?.into_owned();
    let sent = store.add_event(ClusterEvent {
        id: own_event_id(),
        node_id: settings.node_id.clone(),
        at: 0.0,
        not_before,
        lifetime: EVENT_LIFETIME,
        channel: channel.clone(),
        data: frame.text(2)?.into_owned(),
    });
    tokio::task::spawn_local(async move {
        if let Err(error) = sent.await {
            log::error!("[cluster_events] other nodes are not told on channel '{channel}': {error}");
        }
    });
    Ok(0)
}

/// Whether other nodes can be told anything, and tell.
fn is_shared(frame: &Frame) -> Answer {
    frame.push_boolean(shared_store().is_some());
    Ok(1)
}

/// Arguments: channels as a list, the time after which. Answers the events of other nodes, and the store's time; nil
/// and an error.
fn events(frame: &Frame) -> Answer {
    let channels: Vec<String> = question(frame)?;
    let after = frame.number(2)?;
    let own = settings().map(|settings| settings.node_id.clone()).unwrap_or_default();
    let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
    wait(frame, store()?.events_since(&channels, after), move |frame, (events, now)| {
        let others: Vec<_> = events.iter().filter(|event| event.node_id != own).collect();
        frame.push_table(others.len(), 0);
        for (at, event) in others.into_iter().enumerate() {
            frame.push_table(0, 4);
            for (name, text) in [("id", &event.id), ("channel", &event.channel), ("data", &event.data)] {
                frame.push_text(text);
                frame.set_field(-2, name);
            }
            if let Some(time) = event.not_before {
                frame.push_number(time);
                frame.set_field(-2, "nbf");
            }
            frame.set_index(-2, at + 1);
        }
        frame.push_number(now);
        Ok(2)
    })
}

/// The id of an event of this gateway: a UUID of version 8, by which others like it know that a note of what changed
/// goes with it. Kong's are of version 4.
fn own_event_id() -> String {
    let mut id = uuid::Uuid::new_v4().into_bytes();
    if let Some(version) = id.get_mut(6) {
        *version = *version & 0x0f | 0x80;
    }
    uuid::Uuid::from_bytes(id).to_string()
}

/// Whether an event was sent by a gateway like this one, by its id.
pub fn is_own_event(id: &str) -> bool {
    uuid::Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 8)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// What the database is: strategy, name, description, version; nothing before it is connected.
fn info(frame: &Frame) -> Answer {
    let Some(connector) = settings().and_then(|settings| settings.connector.clone()) else { return Ok(0) };
    let Some(info) = connector.store().map(|store| store.info()) else { return Ok(0) };
    for text in [info.strategy, &info.database, &info.description, &info.version] {
        frame.push_text(text);
    }
    Ok(4)
}
