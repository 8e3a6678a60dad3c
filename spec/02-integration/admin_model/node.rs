//! A node under test, and what of its answers can be compared with another one's.

use std::collections::BTreeSet;

use serde_json::Value;

use super::calls::Call;
use super::kinds::{Kind, is_given};
use crate::support::{Connection, Reply};

/// The Admin API of a node.
pub struct Node {
    port: u16,
    connection: Option<Connection>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub allow: Option<String>,
    pub content_type: Option<String>,
    pub body: Value,
}

impl Node {
    pub fn new(port: u16) -> Node {
        Node { port, connection: None }
    }

    /// Sends a call; none where the connection ends without an answer.
    pub fn send(&mut self, method: &str, bytes: &[u8]) -> Option<Answer> {
        let mut connection = self.connection.take().unwrap_or_else(|| Connection::open(self.port));
        connection.try_write(bytes);
        let reply = connection.try_reply(method == "HEAD")?;
        if !reply.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.connection = Some(connection);
        }
        Some(Answer::of(&reply))
    }

    /// The same for a call.
    pub fn answer(&mut self, call: &Call) -> Option<Answer> {
        self.send(call.method, &call.bytes())
    }

    pub fn get(&mut self, target: &str) -> Option<Answer> {
        self.send("GET", format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    /// All pages from one on.
    pub fn pages(&mut self, first: Answer) -> Result<Vec<Value>, String> {
        let mut pages = vec![first.body];
        while let Some(next) = pages.last().and_then(|page| page["next"].as_str()).map(str::to_owned) {
            let answer = self.get(&next).ok_or_else(|| format!("no answer to GET {next}"))?;
            if answer.status != 200 || pages.len() > 100 {
                return Err(format!("GET {next}: {answer:?}, page {}", pages.len()));
            }
            pages.push(answer.body);
        }
        Ok(pages)
    }

    /// All rows of a kind.
    pub fn rows(&mut self, kind: &Kind) -> Result<Vec<Value>, String> {
        if kind.has_collection {
            return self.all(&format!("/{}?size=1000", kind.path));
        }
        let relation = &kind.above[0];
        let parent = Kind::named(relation.parent);
        let mut rows = Vec::new();
        for above in self.rows(parent)? {
            let id = above["id"].as_str().unwrap_or_default();
            rows.extend(self.all(&format!("/{}/{id}/{}?size=1000", parent.path, relation.nested))?);
        }
        Ok(rows)
    }

    fn all(&mut self, target: &str) -> Result<Vec<Value>, String> {
        let first = self.get(target).ok_or_else(|| format!("no answer to GET {target}"))?;
        if first.status != 200 {
            return Err(format!("GET {target}: {first:?}"));
        }
        let pages = self.pages(first)?;
        Ok(pages.iter().flat_map(|page| page["data"].as_array().cloned().unwrap_or_default()).collect())
    }
}

impl Answer {
    fn of(reply: &Reply) -> Answer {
        let body = match serde_json::from_slice(&reply.body) {
            Ok(body) => body,
            Err(_) => Value::from(reply.text()),
        };
        let field = |name: &str| reply.field(name).map(str::to_owned);
        Answer { status: reply.status, allow: field("allow"), content_type: field("content-type"), body }
    }

    /// The answer without what differs from node to node: times, and ids that the node made up.
    pub fn comparable(&self) -> Answer {
        Answer { body: comparable(&self.body), ..self.clone() }
    }
}

/// A body without what differs from node to node.
pub fn comparable(body: &Value) -> Value {
    match body {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), field(name, value))).collect()
        }
        Value::Array(values) => values.iter().map(comparable).collect(),
        Value::String(text) => Value::from(without_ids(text)),
        other => other.clone(),
    }
}

fn field(name: &str, value: &Value) -> Value {
    let is_made_up = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match value {
        Value::Number(_) if matches!(name, "created_at" | "updated_at") => Value::from("<time>"),
        Value::String(text) if matches!(name, "key" | "secret") && is_made_up(text) => Value::from("<key>"),
        Value::String(_) if name == "request_id" => Value::from("<request>"),
        // a hash, into which the id of the consumer goes
        Value::String(text) if name == "password" && text.len() == 40 => Value::from("<hash>"),
        other => comparable(other),
    }
}

/// A text in which ids that a node made up are hidden.
fn without_ids(text: &str) -> String {
    const LENGTH: usize = 36;
    let is_id = |part: &str| {
        let parts: Vec<usize> = part.split('-').map(str::len).collect();
        parts == [8, 4, 4, 4, 12] && part.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..LENGTH).filter(|part| is_id(part)) {
            Some(part) => {
                out.push_str(if is_given(&part.to_lowercase()) || part.starts_with("00000000") {
                    part
                } else {
                    "<id>"
                });
                rest = &rest[LENGTH..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// Rows as a set.
pub fn as_set(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| sorted(&comparable(row)).to_string()).collect()
}

/// A value with its fields in the order of their names.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            fields.into_iter().collect()
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
