//! Answers before they are put on the wire.

use http::HeaderName;
use serde_json::{Map, Value, json};

use crate::db::DbError;
use crate::observability::log;

/// A status, a body and the field lines that are particular to this answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Body,
    /// Field lines.
    pub headers: Vec<(HeaderName, String)>,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Nothing; an error gets nginx's page then.
    Empty,
    /// nginx's page for the status, with what is particular about it.
    Page(Option<&'static str>),
    /// JSON.
    Json(Value),
    /// Something else, with its media type.
    Text(&'static str, String),
    /// Bytes whose media type stands among the field lines, if anywhere.
    Bytes {
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether their number is told beforehand.
        is_sized: bool,
    },
}

impl Reply {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: Value) -> Self {
        Reply { status, body: Body::Json(body), headers: Vec::new() }
    }

    /// An answer with a JSON body whose only member is `message`.
    pub fn message(status: u16, message: impl Into<String>) -> Self {
        Self::json(status, json!({ "message": message.into() }))
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Reply { status, body: Body::Empty, headers: Vec::new() }
    }

    /// An answer with a body that is not JSON.
    pub fn text(media_type: &'static str, text: impl Into<String>) -> Self {
        Reply { body: Body::Text(media_type, text.into()), ..Self::empty(200) }
    }

    /// No such path or entity.
    pub fn not_found() -> Self {
        Self::message(404, "Not found")
    }

    /// The path does not know the method.
    pub fn method_not_allowed() -> Self {
        Self::message(405, "Method not allowed")
    }

    /// Something failed that the client cannot mend.
    pub fn unexpected() -> Self {
        Self::message(500, "An unexpected error occurred")
    }

    /// Adds a field line.
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<DbError> for Reply {
    fn from(error: DbError) -> Self {
        match error.code.http_status() {
            500 => {
                log::error!("{error}");
                Self::unexpected()
            }
            status => Self::json(status, Value::Object(error.to_json())),
        }
    }
}

impl From<Map<String, Value>> for Reply {
    fn from(body: Map<String, Value>) -> Self {
        Self::json(200, Value::Object(body))
    }
}
