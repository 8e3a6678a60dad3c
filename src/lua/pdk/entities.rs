//! `kong.db` without a database: reading the entities in force.

use super::{settings, values};
use crate::db::Entity;
use crate::db::off::{Collection, Dataset, PageRequest, TagFilter, Write, refuse};
use crate::exchange::current;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use std::ffi::c_int;
use std::sync::Arc;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "db_kinds", kinds);
    frame.set_function(table, "db_model", model);
    frame.set_function(table, "db_select", |frame| {
        find(frame, |collection, frame| Ok(collection.select(&frame.text(2)?)))
    });
    frame.set_function(table, "db_select_by", |frame| {
        find(frame, |collection, frame| Ok(collection.select_by(&frame.text(2)?, &frame.text(3)?)))
    });
    frame.set_function(table, "db_select_by_cache_key", |frame| {
        find(frame, |collection, frame| Ok(collection.select_by_cache_key(&frame.text(2)?)))
    });
    frame.set_function(table, "db_page", page);
    frame.set_function(table, "db_refusal", refusal);
    frame.set_function(table, "generation", |frame| {
        frame.push_number(generation() as f64);
        Ok(1)
    });
    frame.set_function(table, "default_workspace", |frame| {
        let workspace = dataset().map(|dataset| dataset.default_workspace().to_owned());
        frame.push_text(workspace.as_deref().unwrap_or(crate::db::off::DEFAULT_WORKSPACE));
        Ok(1)
    });
}

/// The entities of the current request's snapshot, or of the one in force.
pub(super) fn dataset() -> Option<Arc<Dataset>> {
    current::with(|exchange| exchange.snapshot.dataset.clone())
        .unwrap_or_else(|| settings()?.published.current().dataset.clone())
}

fn generation() -> u64 {
    current::with(|exchange| exchange.snapshot.generation)
        .or_else(|| Some(settings()?.published.generation()))
        .unwrap_or(0)
}

/// The names of all kinds of entities.
fn kinds(frame: &Frame) -> Answer {
    frame.push_table(24, 0);
    if let Some(dataset) = dataset() {
        for (at, kind) in dataset.model().kinds().enumerate() {
            frame.push_text(&kind.name);
            frame.set_index(-2, at + 1);
        }
    }
    Ok(1)
}

/// Keys and relations of a kind: a table; nil for a kind that does not exist.
fn model(frame: &Frame) -> Answer {
    let name = frame.text(1)?;
    let dataset = dataset();
    let Some(kind) = dataset.as_ref().and_then(|dataset| dataset.model().kind(&name)) else {
        frame.push_nil();
        return Ok(1);
    };
    frame.push_table(0, 8);
    let texts = |names: &mut dyn Iterator<Item = &String>, field: &str| {
        frame.push_table(4, 0);
        for (at, name) in names.enumerate() {
            frame.push_text(name);
            frame.set_index(-2, at + 1);
        }
        frame.set_field(-2, field);
    };
    texts(&mut kind.primary_key.iter(), "primary_key");
    texts(&mut kind.cache_key.iter(), "cache_key");
    texts(&mut kind.unique.iter().map(|field| &field.name), "unique");
    texts(&mut kind.foreign.iter().map(|field| &field.name), "foreign");
    if let Some(key) = &kind.endpoint_key {
        frame.push_text(key);
        frame.set_field(-2, "endpoint_key");
    }
    frame.push_boolean(kind.workspaceable);
    frame.set_field(-2, "workspaceable");
    frame.push_text(&kind.name);
    frame.set_field(-2, "name");
    Ok(1)
}

/// A look-up by the arguments of the running call.
type LookUp = fn(&Collection, &Frame) -> Result<Option<Arc<Entity>>, Flow>;

fn find(frame: &Frame, look_up: LookUp) -> Answer {
    let kind = frame.text(1)?.into_owned();
    let dataset = dataset();
    let found = match dataset.as_ref().and_then(|dataset| dataset.collection(&kind)) {
        Some(collection) => look_up(collection, frame)?,
        None => None,
    };
    match found {
        Some(entity) => values::push_object(frame, &entity)?,
        None => frame.push_nil(),
    }
    Ok(1)
}

/// Arguments: kind, size, offset, foreign field, its key, tags, "or". Answers rows and the next offset,
/// or nil, the error as text and as a table.
fn page(frame: &Frame) -> Answer {
    let kind = frame.text(1)?.into_owned();
    let size = frame.optional_number(2)?.map_or(PageRequest::DEFAULT_SIZE, |size| size as usize);
    let offset = frame.optional_bytes(3)?.map(|text| String::from_utf8_lossy(text).into_owned());
    let foreign = match (frame.optional_bytes(4)?, frame.optional_bytes(5)?) {
        (Some(field), Some(key)) => Some((String::from_utf8_lossy(field), String::from_utf8_lossy(key))),
        _ => None,
    };
    let request = PageRequest { size: size.clamp(1, PageRequest::MAX_SIZE), offset, tags: tags(frame)? };
    let dataset = dataset();
    let Some(collection) = dataset.as_ref().and_then(|dataset| dataset.collection(&kind)) else {
        frame.push_table(0, 0);
        return Ok(1);
    };
    let page = match &foreign {
        Some((field, key)) => collection.page_for(field, key, &request),
        None => collection.page(&request),
    };
    let page = match page {
        Ok(page) => page,
        Err(error) => return frame.fail(error.to_string()),
    };
    frame.push_table(page.rows.len(), 0);
    for (at, row) in page.rows.iter().enumerate() {
        values::push_object(frame, row)?;
        frame.set_index(-2, at + 1);
    }
    match page.offset {
        Some(offset) => frame.push_text(&offset),
        None => frame.push_nil(),
    }
    Ok(2)
}

fn tags(frame: &Frame) -> Result<Option<TagFilter>, Flow> {
    if frame.kind(6) != Kind::Table {
        return Ok(None);
    }
    let mut tags = Vec::new();
    for at in 1..=frame.length(6) {
        frame.push_index(6, at);
        tags.push(frame.text(-1)?.into_owned());
        frame.pop(1);
    }
    let any = frame.optional_bytes(7)? == Some(b"or");
    Ok((!tags.is_empty()).then_some(if any { TagFilter::Any(tags) } else { TagFilter::All(tags) }))
}

/// Arguments: what is done, the kind, the field it is addressed by. Answers the message with which the
/// write is refused while there is no database.
fn refusal(frame: &Frame) -> Answer {
    let (what, kind, by) = (frame.text(1)?, frame.text(2)?, frame.optional_bytes(3)?);
    let write = match &*what {
        "insert" => Write::Insert,
        "update" => Write::Update,
        "upsert" => Write::Upsert,
        _ => Write::Delete,
    };
    let by = by.map(String::from_utf8_lossy);
    frame.push_text(&refuse(write, &kind, by.as_deref()).to_string());
    Ok(1)
}
