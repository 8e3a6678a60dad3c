//! A call, and what it means.

use serde_json::{Map, Value};

use super::kinds::{Kind, Relation};

/// The fields of an entity.
pub type Entity = Map<String, Value>;

/// A request to the Admin API.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    pub content_type: Option<&'static str>,
    pub body: Vec<u8>,
    pub meaning: Meaning,
}

/// What a call asks for, as the model understands it.
#[derive(Clone, Debug)]
pub struct Meaning {
    pub verb: Verb,
    pub kind: &'static Kind,
    /// The relation to the entity that the path goes through, and what the path says of that.
    pub above: Option<(&'static Relation, String)>,
    /// What the path says of the entity.
    pub key: String,
    /// The body.
    pub entity: Entity,
    /// For lists.
    pub tag: Option<String>,
    /// Whether the call is well-formed, so that the model knows the answer.
    pub is_certain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Add,
    Put,
    Patch,
    Delete,
    Get,
    List,
    /// A read of the entity that one points to.
    GetAbove,
    /// A write through such a path.
    PutAbove,
    /// Anything that changes nothing.
    Other,
}

impl Call {
    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: localhost\r\n", self.method, self.target);
        if let Some(content_type) = self.content_type {
            head.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        if !self.body.is_empty() || self.content_type.is_some() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// A line for a shell.
    pub fn curl(&self, port: u16) -> String {
        let mut line =
            format!("curl -gsS -X {} {}", self.method, quoted(&format!("127.0.0.1:{port}{}", self.target)));
        if let Some(content_type) = self.content_type {
            line.push_str(&format!(" -H {}", quoted(&format!("Content-Type: {content_type}"))));
        }
        if !self.body.is_empty() {
            let body = String::from_utf8_lossy(&self.body);
            let shown: String = body.chars().take(4000).collect();
            line.push_str(&format!(" --data-raw {}", quoted(&shown)));
        }
        line
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
