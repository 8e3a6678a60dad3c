//! Pages: a bounded run of rows in the order of their primary keys, and where the next one begins.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};

use serde_json::Value;

use super::{DbError, Entity, EntityModel, FieldKind};
use crate::schema::is_uuid;

/// What part of a collection is wanted.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// How many rows at most.
    pub size: usize,
    /// Where to begin: the offset of the page before.
    pub offset: Option<String>,
    /// Only rows that satisfy this.
    pub tags: Option<TagFilter>,
}

/// A condition on an entity's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagFilter {
    /// All of these.
    All(Vec<String>),
    /// At least one of these.
    Any(Vec<String>),
}

/// Rows and the offset of the next page, if there is one.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The rows, in the order of their primary keys.
    pub rows: Vec<Arc<Entity>>,
    /// Where the next page begins.
    pub offset: Option<String>,
}

impl PageRequest {
    /// Kong's page size when none is asked for.
    pub const DEFAULT_SIZE: usize = 100;
    /// The largest page.
    pub const MAX_SIZE: usize = 1000;

    /// The first page of a collection.
    pub fn first() -> Self {
        PageRequest { size: Self::DEFAULT_SIZE, offset: None, tags: None }
    }

    /// The last key of the page before this one.
    ///
    /// # Errors
    /// An offset that is not base64.
    pub(in crate::db) fn after(&self) -> Result<Option<Vec<u8>>, DbError> {
        let Some(offset) = &self.offset else { return Ok(None) };
        let invalid = |_| DbError::invalid_offset(offset, "bad base64 encoding");
        BASE64.decode(offset).map(Some).map_err(invalid)
    }
}

/// The offset of the page that begins after the row with this key.
///
/// *Kong parity*: base64 without padding of the store's own key and a NUL.
pub(in crate::db) fn offset_after(prefix: &str, key: &str) -> String {
    BASE64.encode(format!("{prefix}{key}\0"))
}

impl TagFilter {
    /// Whether an entity satisfies the condition; one without tags never does.
    pub fn matches(&self, entity: &Entity) -> bool {
        let Some(tags) = entity.get("tags").and_then(|tags| tags.as_array()) else { return false };
        let has = |wanted: &String| tags.iter().any(|tag| tag.as_str() == Some(wanted));
        match self {
            TagFilter::All(wanted) => wanted.iter().all(has),
            TagFilter::Any(wanted) => wanted.iter().any(has),
        }
    }
}

/// What is wrong with an offset that can be read, but leads nowhere.
pub(in crate::db) const BAD_OFFSET: &str = "bad offset string";

/// Base64 without padding, as offsets are written.
pub(in crate::db) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The offset of the page that begins after the row with this primary key.
///
/// *Kong parity*: base64 without padding of the key's values as a JSON list.
pub(in crate::db) fn key_offset(key: &[Value]) -> String {
    BASE64.encode(Value::from(key).to_string())
}

/// The primary key of a kind that an offset of [`key_offset`] stands for.
///
/// # Errors
/// An offset that is none of this kind.
pub(in crate::db) fn offset_key(offset: &str, kind: &EntityModel) -> Result<Vec<Value>, DbError> {
    let key = offset_parts(offset)?;
    let fits = |(name, part): (&String, &Value)| match kind.field(name).map(|field| &field.kind) {
        Some(FieldKind::Uuid) => part.as_str().is_some_and(is_uuid),
        _ => part.is_string() || part.is_number(),
    };
    match key.len() == kind.primary_key.len() && kind.primary_key.iter().zip(&key).all(fits) {
        true => Ok(key),
        false => Err(DbError::invalid_offset(offset, BAD_OFFSET)),
    }
}

/// The values in an offset of [`key_offset`].
///
/// # Errors
/// An offset that is none.
pub(in crate::db) fn offset_parts(offset: &str) -> Result<Vec<Value>, DbError> {
    let invalid = |reason| DbError::invalid_offset(offset, reason);
    let text = BASE64.decode(offset).map_err(|_| invalid("bad base64 encoding"))?;
    serde_json::from_slice(&text).map_err(|_| invalid("bad json encoding"))
}
