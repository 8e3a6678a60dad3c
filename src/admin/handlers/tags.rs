//! `/tags` and the filter `?tags=`.

use serde_json::{Map, Value, json};

use super::keys::parameter;
use super::pages;
use crate::admin::access::Access;
use crate::admin::call::Call;
use crate::admin::endpoint::Matched;
use crate::admin::node::Node;
use crate::admin::reply::Reply;
use crate::db::{DbError, TagFilter};

/// The most tags that a filter may name.
const MAX_TAGS: usize = 5;

/// The tags of all entities.
pub(in crate::admin) async fn all(node: &dyn Node, call: &Call) -> Reply {
    let more = pages::repeated(call);
    list(node, call, ("/tags", &more), None).await.unwrap_or_else(Reply::from)
}

/// The entities with one tag.
pub(in crate::admin) async fn one(node: &dyn Node, call: &Call, matched: &Matched<'_>) -> Reply {
    let wanted = parameter(matched, 0);
    if wanted.contains([',', '/', char::REPLACEMENT_CHARACTER]) {
        let message = format!(
            "invalid tag '{wanted}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"
        );
        return DbError::invalid_unique("tag", message).into();
    }
    let path = format!("/tags/{}", matched.parameters.first().map_or("", String::as_str));
    list(node, call, (&path, ""), Some(&wanted)).await.unwrap_or_else(Reply::from)
}

/// The filter of a query: `a,b` for all of several tags, `a/b` for any.
///
/// # Errors
/// An empty filter, one that mixes both forms, or too many tags.
pub(super) fn filter(argument: Option<&Value>) -> Result<Option<TagFilter>, DbError> {
    let wrong =
        |message: &str| DbError::invalid_options(Map::from_iter([("tags".to_owned(), Value::from(message))]));
    let text = match argument {
        None => return Ok(None),
        Some(Value::Array(values)) => values.first().and_then(Value::as_str).unwrap_or_default(),
        Some(value) => value.as_str().unwrap_or_default(),
    };
    if text.is_empty() {
        return Err(wrong("cannot be null"));
    }
    let printable =
        |text: &str| text.bytes().all(|byte| (0x20..=0x7e).contains(&byte) || (0x80..=0xf4).contains(&byte));
    let split = |separator: char| -> Vec<String> { text.split(separator).map(str::to_owned).collect() };
    let (tags, all) = match (text.contains(','), text.contains('/')) {
        (_, false) => (split(','), true),
        (false, true) => (split('/'), false),
        (true, true) => return Err(wrong("invalid filter syntax")),
    };
    let is_utf8 = !text.contains(char::REPLACEMENT_CHARACTER);
    // nothing has the tag after a separator at the end, which is the empty one
    let is_empty = |(index, tag): (usize, &String)| tag.is_empty() && (index == 0 || index + 1 < tags.len());
    if !is_utf8 || !printable(text) || tags.iter().enumerate().any(is_empty) {
        return Err(wrong("invalid filter syntax"));
    }
    if tags.len() > MAX_TAGS {
        return Err(wrong("cannot query more than 5 tags"));
    }
    Ok(Some(if all { TagFilter::All(tags) } else { TagFilter::Any(tags) }))
}

/// A page of tags; `next` is the path of the following one and what it repeats of the query.
async fn list(
    node: &dyn Node,
    call: &Call,
    next: (&str, &str),
    wanted: Option<&str>,
) -> Result<Reply, DbError> {
    let request = pages::request(call, false)?;
    let page = Access::of(node).page_tags(wanted, request.size, request.offset.as_deref()).await?;
    let rows = page.rows.into_iter();
    let rows = rows.map(|row| json!({"entity_name": row.kind, "entity_id": row.id, "tag": row.tag}));
    Ok(pages::answer(rows.collect(), page.offset, next.0, next.1).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<TagFilter>, String> {
        filter(Some(&Value::from(text))).map_err(|error| error.message)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn commas_mean_all_and_slashes_any() {
        assert_eq!(read("a"), Ok(Some(TagFilter::All(names(&["a"])))));
        assert_eq!(read("a,b"), Ok(Some(TagFilter::All(names(&["a", "b"])))));
        assert_eq!(read("a/b"), Ok(Some(TagFilter::Any(names(&["a", "b"])))));
        assert_eq!(read("a,"), Ok(Some(TagFilter::All(names(&["a", ""])))));
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        assert_eq!(read(""), Err("invalid option (tags: cannot be null)".to_owned()));
        assert_eq!(read("a\u{FFFD}"), Err("invalid option (tags: invalid filter syntax)".to_owned()));
        assert_eq!(read("a,b/c"), Err("invalid option (tags: invalid filter syntax)".to_owned()));
        assert_eq!(
            read("a,b,c,d,e,f"),
            Err("invalid option (tags: cannot query more than 5 tags)".to_owned())
        );
    }
}
