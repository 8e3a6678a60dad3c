//! What stores keep besides entities: tags, events between nodes, locks, counters.

use serde_json::Value;

use super::DbError;
use super::page::{BAD_OFFSET, key_offset, offset_parts};

/// A tag of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The kind of the entity.
    pub kind: String,
    /// Its primary key.
    pub id: String,
    /// The tag.
    pub tag: String,
}

/// A page of tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagPage {
    /// The tags, one row for each entity that has it.
    pub rows: Vec<Tagged>,
    /// Where the next page begins.
    pub offset: Option<String>,
}

/// An event that all nodes hear of.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterEvent {
    /// Its id, a UUID.
    pub id: String,
    /// The node it comes from.
    pub node_id: String,
    /// When it was sent, in seconds since 1970 by the store's clock; what a sender gives is not looked at.
    pub at: f64,
    /// Not to be heard before this time.
    pub not_before: Option<f64>,
    /// How long it is kept, in seconds.
    pub lifetime: f64,
    /// What it is about.
    pub channel: String,
    /// Its text.
    pub data: String,
}

/// A lock that one node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// What it is for.
    pub key: String,
    /// Who wants it or has it.
    pub owner: String,
    /// How long it is held unless it is given back, in seconds.
    pub lifetime: u64,
}

/// A counter of the `cluster` policy of rate limits, which Kong keeps in `ratelimiting_metrics`, those of
/// response-ratelimiting in `response_ratelimiting_metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Counter {
    /// Whose requests are counted.
    pub identifier: String,
    /// `second` to `year`; for a limit on responses, after its name and `_`.
    pub period: String,
    /// When the period began, in seconds since 1970.
    pub period_date: i64,
    /// The service, or an empty UUID.
    pub service_id: String,
    /// The route, or an empty UUID.
    pub route_id: String,
}

impl Counter {
    /// Whether it is one of response-ratelimiting.
    pub fn is_of_responses(&self) -> bool {
        self.period.contains('_')
    }
}

/// Where a page of tags begins: after this many.
///
/// # Errors
/// An offset that [`offset_of_tags`] did not make.
pub(super) fn tag_offset(offset: Option<&str>) -> Result<usize, DbError> {
    let Some(text) = offset else { return Ok(0) };
    let parts = offset_parts(text)?;
    let count = parts.first().filter(|_| parts.len() == 1).and_then(Value::as_u64);
    let count = count.and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| DbError::invalid_offset(text, BAD_OFFSET))
}

/// The offset of the page of tags that begins after so many.
pub(super) fn offset_of_tags(count: usize) -> String {
    key_offset(&[Value::from(count)])
}
