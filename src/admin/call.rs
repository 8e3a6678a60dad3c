//! A request to the API, read completely.

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::{Map, Value};

use super::arguments;
use crate::http::query;

/// A request with its body.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path as it was sent, still percent-encoded.
    pub path: String,
    /// The query string.
    pub query: String,
    /// The field lines.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Call {
    /// The value of a query argument; the first if there are several.
    pub fn argument(&self, name: &str) -> Option<String> {
        self.arguments().remove(name).map(|value| match value {
            Value::Array(values) => values.first().map(arguments::text).unwrap_or_default(),
            value => arguments::text(&value),
        })
    }

    /// All query arguments.
    pub fn arguments(&self) -> Map<String, Value> {
        arguments::decode(self.query.as_bytes())
    }

    /// The media type of the body, in lower case and with its parameters.
    pub fn content_type(&self) -> Option<String> {
        let value = self.header(header::CONTENT_TYPE.as_str())?;
        Some(value.to_ascii_lowercase())
    }

    /// The value of a field line.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The path's parameter, percent-decoded.
    pub fn decoded(parameter: &str) -> String {
        String::from_utf8_lossy(&query::unescape(parameter.as_bytes())).into_owned()
    }
}
