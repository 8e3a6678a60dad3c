//! `kong.db` without a database: reading the entities in force.

use super::{settings, values};
use crate::db::Entity;
use crate::db::off::{Collection, Dataset, PageRequest, TagFilter};
use crate::exchange::current;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use std::ffi::c_int;
use std::sync::Arc;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "db_kinds", kinds);
    frame.set_function(table, "db_select", |frame| {
        find(frame, 3, |collection, frame| Ok(collection.select(&frame.text(2)?)))
    });
    frame.set_function(table, "db_select_by", |frame| {
        find(frame, 4, |collection, frame| Ok(collection.select_by(&frame.text(2)?, &frame.text(3)?)))
    });
    frame.set_function(table, "db_select_by_cache_key", |frame| {
        find(frame, 3, |collection, frame| Ok(collection.select_by_cache_key(&frame.text(2)?)))
    });
    frame.set_function(table, "db_page", page);
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

/// A look-up by the arguments of the running call.
type LookUp = fn(&Collection, &Frame) -> Result<Option<Arc<Entity>>, Flow>;

/// Answers an entity, with nulls where the argument at `nulls` is true.
fn find(frame: &Frame, nulls: c_int, look_up: LookUp) -> Answer {
    let kind = frame.text(1)?.into_owned();
    let dataset = dataset();
    let found = match dataset.as_ref().and_then(|dataset| dataset.collection(&kind)) {
        Some(collection) => look_up(collection, frame)?,
        None => None,
    };
    match found {
        Some(entity) => push_entity(frame, &entity, frame.truth(nulls))?,
        None => frame.push_nil(),
    }
    Ok(1)
}

/// Arguments: kind, size, offset, foreign field, its key, tags, "or", nulls. Answers rows and the next offset,
/// or nil, the error as text and as a table.
fn page(frame: &Frame) -> Answer {
    let kind = frame.text(1)?.into_owned();
    let size = frame.optional_number(2)?.map_or(PageRequest::DEFAULT_SIZE, |size| size as usize);
    let offset = frame.optional_bytes(3)?.map(|text| String::from_utf8_lossy(text).into_owned());
    let foreign = match (frame.optional_bytes(4)?, frame.optional_bytes(5)?) {
        (Some(field), Some(key)) => Some((String::from_utf8_lossy(field), String::from_utf8_lossy(key))),
        _ => None,
    };
    let nulls = frame.truth(8);
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
        push_entity(frame, row, nulls)?;
        frame.set_index(-2, at + 1);
    }
    match page.offset {
        Some(offset) => frame.push_text(&offset),
        None => frame.push_nil(),
    }
    Ok(2)
}

fn push_entity(frame: &Frame, entity: &Entity, nulls: bool) -> Result<(), Flow> {
    if nulls { values::push_object_with_nulls(frame, entity) } else { values::push_object(frame, entity) }
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
