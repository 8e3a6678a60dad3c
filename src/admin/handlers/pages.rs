//! Lists: what part of one a call asks for, and how it is answered.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::tags;
use crate::admin::access::Access;
use crate::admin::arguments;
use crate::admin::call::Call;
use crate::db::{DbError, Entity, Page, PageRequest};
use crate::http::query;

/// What part of a list the call asks for; `has_tags` says whether it may be filtered by them.
///
/// # Errors
/// A size out of bounds, tags that are no filter.
pub(super) fn request(call: &Call, has_tags: bool) -> Result<PageRequest, DbError> {
    let mut request = PageRequest::first();
    let query = arguments::query(call);
    if let Some(size) = query.get("size") {
        let size = size.as_str().and_then(arguments::number).and_then(|size| size.as_f64());
        let size = size.ok_or_else(|| DbError::invalid_size("size must be a number"))?;
        let max = PageRequest::MAX_SIZE;
        if size.fract() != 0.0 || size < 1.0 || size > max as f64 {
            return Err(DbError::invalid_size(format!("size must be an integer between 1 and {max}")));
        }
        request.size = size as usize;
    }
    request.offset = call.argument("offset");
    if has_tags {
        request.tags = tags::filter(query.get("tags"))?;
    }
    Ok(request)
}

/// What the path of the next page repeats of the query.
pub(super) fn repeated(call: &Call) -> String {
    let query = arguments::query(call);
    let more = ["tags", "size"].map(|name| {
        let value = match query.get(name)? {
            Value::Array(values) => values.first()?,
            value => value,
        };
        Some(format!("&{name}={}", escaped(&arguments::text(value))))
    });
    more.into_iter().flatten().collect()
}

/// A page as the API answers with it; `path` is that of the list, `more` what the next page repeats.
pub(super) fn answer(rows: Vec<Value>, offset: Option<String>, path: &str, more: &str) -> Map<String, Value> {
    let mut body = Map::from_iter([("data".to_owned(), Value::Array(rows))]);
    let next = offset.as_ref().map(|offset| format!("{path}?offset={}{more}", escaped(offset)));
    body.insert("next".to_owned(), json!(next));
    if let Some(offset) = offset {
        body.insert("offset".to_owned(), Value::from(offset));
    }
    body
}

/// The targets of an upstream, the newest first and of each address only that; the offset is a count.
///
/// # Errors
/// An offset that is none, and what the database says.
pub(super) async fn latest_targets(
    access: &Access<'_>,
    upstream: &Entity,
    request: &PageRequest,
) -> Result<Page, DbError> {
    let skip: usize = match &request.offset {
        Some(offset) => offset.parse().map_err(|_| DbError::invalid_offset(offset, "bad offset string"))?,
        None => 0,
    };
    let mut rows = access.each_for("targets", "upstream", upstream).await?;
    rows.sort_by(|a, b| by_age(b, a));
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert(row.get("target").and_then(Value::as_str).map(str::to_owned)));
    let end = skip.saturating_add(request.size);
    let offset = (end < rows.len()).then(|| end.to_string());
    Ok(Page { rows: rows.into_iter().skip(skip).take(request.size).collect(), offset })
}

/// The order of targets: by the time they were made, then by id.
pub(super) fn by_age(a: &Arc<Entity>, b: &Arc<Entity>) -> Ordering {
    let age = |row: &Arc<Entity>| row.get("created_at").and_then(Value::as_f64).unwrap_or_default();
    let id = |row: &Arc<Entity>| row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    age(a).total_cmp(&age(b)).then_with(|| id(a).cmp(&id(b)))
}

/// Text as a part of a query string.
fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    query::escape_component(&mut out, text.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}
