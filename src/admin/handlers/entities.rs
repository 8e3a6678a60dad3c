//! Reads of entities: lists, single ones, those below others.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::tags;
use crate::admin::call::Call;
use crate::admin::endpoint::{Matched, Relation};
use crate::admin::node::Node;
use crate::admin::reply::Reply;
use crate::db::off::{Collection, Dataset, Page, PageRequest};
use crate::db::{DbError, Entity, EntityModel};
use crate::http::query;
use crate::schema::is_uuid;

/// A list of all entities of a kind.
pub(in crate::admin) fn collection(node: &dyn Node, call: &Call, kind: &str) -> Reply {
    let dataset = node.dataset();
    let Some(collection) = dataset.collection(kind) else { return Reply::not_found() };
    if kind == "consumers"
        && let Some(custom_id) = call.arguments().get("custom_id")
    {
        return consumer_by_custom_id(collection, custom_id);
    }
    let mut more = String::new();
    for name in ["tags", "size"] {
        if let Some(value) = call.argument(name) {
            more.push_str(&format!("&{name}={}", escaped(&value)));
        }
    }
    let page = request(call, collection.model()).and_then(|request| collection.page(&request));
    answer(page, &format!("/{}", collection.model().path_name()), &more, |row| show(&dataset, kind, row))
}

/// One entity by its id or endpoint key.
pub(in crate::admin) fn entity(node: &dyn Node, kind: &str, matched: &Matched<'_>) -> Reply {
    let dataset = node.dataset();
    match found(node, &dataset, kind, &parameter(matched, 0)) {
        Ok(Some(entity)) => Reply::json(200, show(&dataset, kind, &entity)),
        Ok(None) if kind == "certificates" && !is_uuid(&parameter(matched, 0)) => {
            Reply::message(404, "SNI not found")
        }
        Ok(None) => Reply::not_found(),
        Err(error) => error.into(),
    }
}

/// A list of the entities that point to one.
pub(in crate::admin) fn children(
    node: &dyn Node,
    call: &Call,
    relation: &Relation,
    matched: &Matched<'_>,
) -> Reply {
    let dataset = node.dataset();
    let parent = match found(node, &dataset, &relation.parent, &parameter(matched, 0)) {
        Ok(Some(parent)) => parent,
        Ok(None) => return Reply::not_found(),
        Err(error) => return error.into(),
    };
    let (Some(collection), Some(above)) =
        (dataset.collection(&relation.child), dataset.model().kind(&relation.parent))
    else {
        return Reply::not_found();
    };
    let key = above.key_text(&parent);
    let last = matched.endpoint.pattern.split('/').skip(3).collect::<Vec<_>>().join("/");
    let path =
        format!("/{}/{}/{last}", above.path_name(), matched.parameters.first().map_or("", String::as_str));
    if last == "targets" {
        let page =
            request(call, collection.model()).and_then(|request| latest_targets(collection, &key, &request));
        return answer(page, &path, "", |row| show(&dataset, &relation.child, row));
    }
    let page = request(call, collection.model())
        .map(|request| PageRequest { tags: None, ..request })
        .and_then(|request| collection.page_for(&relation.field, &key, &request));
    answer(page, &path, "", |row| show(&dataset, &relation.child, row))
}

/// One of the entities that point to another.
pub(in crate::admin) fn child(node: &dyn Node, relation: &Relation, matched: &Matched<'_>) -> Reply {
    let dataset = node.dataset();
    match child_of(node, &dataset, relation, matched) {
        Ok(Some(child)) => Reply::json(200, show(&dataset, &relation.child, &child)),
        Ok(None) => Reply::not_found(),
        Err(error) => error.into(),
    }
}

/// The entity that one points to.
pub(in crate::admin) fn parent(node: &dyn Node, relation: &Relation, matched: &Matched<'_>) -> Reply {
    let dataset = node.dataset();
    let child = match found(node, &dataset, &relation.child, &parameter(matched, 0)) {
        Ok(Some(child)) => child,
        Ok(None) => return Reply::not_found(),
        Err(error) => return error.into(),
    };
    match dataset.follow(&relation.parent, child.get(&relation.field)) {
        Some(parent) => Reply::json(200, show(&dataset, &relation.parent, &parent)),
        None => Reply::not_found(),
    }
}

/// The entity of a path that names it below its parent; `None` if either is not there or they do not belong
/// together.
pub(super) fn child_of(
    node: &dyn Node,
    dataset: &Dataset,
    relation: &Relation,
    matched: &Matched<'_>,
) -> Result<Option<Arc<Entity>>, DbError> {
    let Some(parent) = found(node, dataset, &relation.parent, &parameter(matched, 0))? else {
        return Ok(None);
    };
    let name = parameter(matched, 1);
    let child = match (relation.child.as_str(), is_uuid(&name)) {
        ("targets", false) => target_of(dataset, &parent, &name),
        _ => found(node, dataset, &relation.child, &name)?,
    };
    let belongs = |child: &Arc<Entity>| {
        child
            .get(&relation.field)
            .and_then(|key| key.get("id"))
            .is_some_and(|id| Some(id) == parent.get("id"))
    };
    Ok(child.filter(belongs))
}

/// The entity with this id or, if the text is no id, with this endpoint key.
pub(super) fn found(
    node: &dyn Node,
    dataset: &Dataset,
    kind: &str,
    key: &str,
) -> Result<Option<Arc<Entity>>, DbError> {
    let Some(collection) = dataset.collection(kind) else { return Ok(None) };
    if is_uuid(key) {
        return Ok(collection.select(key));
    }
    if kind == "certificates" {
        let sni = dataset.collection("snis").and_then(|snis| snis.select_by("name", key));
        return Ok(sni.and_then(|sni| dataset.follow(kind, sni.get("certificate"))));
    }
    let schema = node.registry().named(kind);
    let Some(endpoint) = &collection.model().endpoint_key else {
        let key = Map::from_iter([("id".to_owned(), Value::from(key))]);
        let wrong = schema.and_then(|schema| schema.validate_primary_key(&key, false).err());
        return wrong.map_or(Ok(None), |errors| Err(DbError::invalid_primary_key(errors)));
    };
    if let Some(schema) = schema
        && let Some(field) = schema.record.fields.get(endpoint)
        && let Err(error) = schema.validate_field(field, &Value::from(key))
    {
        return Err(DbError::invalid_unique(endpoint, crate::admin::arguments::text(&error)));
    }
    Ok(collection.select_by(endpoint, key))
}

/// A path's parameter, decoded.
pub(super) fn parameter(matched: &Matched<'_>, index: usize) -> String {
    matched.parameters.get(index).map(|parameter| Call::decoded(parameter)).unwrap_or_default()
}

/// What part of a list the call asks for.
///
/// # Errors
/// A size out of bounds, tags that are no filter.
pub(super) fn request(call: &Call, model: &EntityModel) -> Result<PageRequest, DbError> {
    let mut request = PageRequest::first();
    if let Some(size) = call.argument("size") {
        let size: f64 = size.trim().parse().map_err(|_| DbError::invalid_size("size must be a number"))?;
        let max = PageRequest::MAX_SIZE;
        if size.fract() != 0.0 || size < 1.0 || size > max as f64 {
            return Err(DbError::invalid_size(format!("size must be an integer between 1 and {max}")));
        }
        request.size = size as usize;
    }
    request.offset = call.argument("offset");
    if model.has_tags {
        request.tags = tags::filter(call.arguments().get("tags"))?;
    }
    Ok(request)
}

/// A page as the API answers with it; `path` is that of the list, `more` what the next page repeats.
pub(super) fn answer(
    page: Result<Page, DbError>,
    path: &str,
    more: &str,
    show: impl Fn(&Entity) -> Value,
) -> Reply {
    let page = match page {
        Ok(page) => page,
        Err(error) => return error.into(),
    };
    let mut body = Map::new();
    body.insert("data".to_owned(), page.rows.iter().map(|row| show(row)).collect());
    let next = page.offset.as_ref().map(|offset| format!("{path}?offset={}{more}", escaped(offset)));
    body.insert("next".to_owned(), json!(next));
    if let Some(offset) = page.offset {
        body.insert("offset".to_owned(), Value::from(offset));
    }
    body.into()
}

/// An entity as the API shows it: certificates with the names of their SNIs, targets with their port.
pub(super) fn show(dataset: &Dataset, kind: &str, entity: &Entity) -> Value {
    let mut shown = entity.clone();
    if kind == "certificates" {
        let key = entity.get("id").and_then(Value::as_str).unwrap_or_default();
        shown.insert("snis".to_owned(), Value::from(sni_names(dataset, key)));
    }
    if kind == "targets"
        && let Some(Value::String(target)) = shown.get_mut("target")
    {
        *target = with_port(target);
    }
    Value::Object(shown)
}

fn sni_names(dataset: &Dataset, certificate: &str) -> Vec<String> {
    let every = PageRequest { size: usize::MAX, ..PageRequest::first() };
    let page =
        dataset.collection("snis").and_then(|snis| snis.page_for("certificate", certificate, &every).ok());
    let rows = page.unwrap_or_default().rows;
    let name = |row: &Arc<Entity>| row.get("name").and_then(Value::as_str).map(str::to_owned);
    let mut names: Vec<String> = rows.iter().filter_map(name).collect();
    names.sort();
    names
}

/// A target's address with the port that is meant when it has none.
fn with_port(target: &str) -> String {
    const DEFAULT_PORT: u16 = 8000;
    let after_brackets = target.rsplit(']').next().unwrap_or(target);
    let is_bare_ipv6 = !target.starts_with('[') && target.matches(':').count() > 1;
    match (is_bare_ipv6, after_brackets.contains(':')) {
        (true, _) => format!("[{target}]:{DEFAULT_PORT}"),
        (false, true) => target.to_owned(),
        (false, false) => format!("{target}:{DEFAULT_PORT}"),
    }
}

/// The targets of an upstream, the newest first and of each address only that; the offset is a count.
pub(super) fn latest_targets(
    targets: &Collection,
    upstream: &str,
    request: &PageRequest,
) -> Result<Page, DbError> {
    let skip: usize = match &request.offset {
        Some(offset) => offset.parse().map_err(|_| DbError::invalid_offset(offset, "bad offset string"))?,
        None => 0,
    };
    let every = PageRequest { size: usize::MAX, ..PageRequest::first() };
    let mut rows = targets.page_for("upstream", upstream, &every)?.rows;
    let age = |row: &Arc<Entity>| row.get("created_at").and_then(Value::as_f64).unwrap_or_default();
    let id = |row: &Arc<Entity>| row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    rows.sort_by(|a, b| age(b).total_cmp(&age(a)).then_with(|| id(b).cmp(&id(a))));
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert(row.get("target").and_then(Value::as_str).map(with_port)));
    let end = skip.saturating_add(request.size);
    let offset = (end < rows.len()).then(|| end.to_string());
    Ok(Page { rows: rows.into_iter().skip(skip).take(request.size).collect(), offset })
}

/// The target of an upstream by its address, with or without the port.
fn target_of(dataset: &Dataset, upstream: &Entity, name: &str) -> Option<Arc<Entity>> {
    let key = upstream.get("id").and_then(Value::as_str)?;
    let every = PageRequest { size: usize::MAX, ..PageRequest::first() };
    let page = dataset.collection("targets")?.page_for("upstream", key, &every).ok()?;
    let wanted = with_port(name);
    let is_wanted = |row: &Arc<Entity>| {
        row.get("target").and_then(Value::as_str).is_some_and(|target| with_port(target) == wanted)
    };
    page.rows.into_iter().find(is_wanted)
}

fn consumer_by_custom_id(consumers: &Collection, custom_id: &Value) -> Reply {
    match custom_id {
        Value::String(custom_id) if !custom_id.is_empty() => {
            let consumer = consumers.select_by("custom_id", custom_id);
            let data: Vec<Value> = consumer.iter().map(|row| Value::Object(row.as_ref().clone())).collect();
            Reply::json(200, json!({"data": data, "next": null}))
        }
        _ => Reply::message(400, "custom_id must be an unempty string"),
    }
}

fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    query::escape_component(&mut out, text.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}
