//! Arguments of a call: from its query string and from a JSON, urlencoded or multipart body.
//!
//! A JSON body is a tree of typed values already; a form's names are read as paths into one (`tree`), and what a
//! schema says of a field gives its text a type (`types`).

mod json_body;
mod multipart;
mod tree;
mod types;

use serde_json::{Map, Value};

use super::call::Call;
use super::reply::Reply;
use crate::http::query::Args;

pub(super) use types::{infer, infer_value, number};

/// The most arguments that are read of a query string or form.
const MAX_ARGS: usize = 1000;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Urlencoded,
    Multipart,
    /// In a way that has no arguments, or not at all.
    Other,
}

/// Query arguments and, over them, those of the body.
///
/// # Errors
/// The answer to a JSON body that is none.
pub fn all(call: &Call) -> Result<Map<String, Value>, Reply> {
    let mut arguments = query(call);
    arguments.extend(body(call)?);
    Ok(arguments)
}

/// The arguments of the query string, `a[]=1` read as a list.
pub fn query(call: &Call) -> Map<String, Value> {
    tree::nested(call.arguments())
}

/// The arguments of the body: those of a JSON object, of a form or of a multipart form.
///
/// # Errors
/// The answer to a JSON body that is none.
pub fn body(call: &Call) -> Result<Map<String, Value>, Reply> {
    match form(call) {
        Form::Json => match json_body::read(&call.body) {
            Some(Value::Object(arguments)) => Ok(arguments),
            Some(Value::Array(_)) => Ok(Map::new()),
            // A body that is neither an object nor a list makes Kong fail with 500, as nothing there expects it.
            _ => Err(Reply::message(400, "Cannot parse JSON body")),
        },
        Form::Urlencoded => Ok(tree::nested(decode(&call.body))),
        Form::Multipart => {
            let boundary = call.header("content-type").and_then(multipart::boundary);
            let parts = boundary.map(|boundary| multipart::parts(&call.body, boundary)).unwrap_or_default();
            let mut arguments = Map::new();
            for (name, content) in parts {
                add(&mut arguments, name, String::from_utf8_lossy(content).into());
            }
            Ok(tree::nested(arguments))
        }
        Form::Other => Ok(Map::new()),
    }
}

/// Whether the body is a form, whose values are text.
pub fn is_form(call: &Call) -> bool {
    matches!(form(call), Form::Urlencoded | Form::Multipart)
}

fn form(call: &Call) -> Form {
    let content_type = call.content_type().unwrap_or_default();
    match content_type.as_str() {
        kind if kind.contains("application/json") => Form::Json,
        kind if kind.starts_with("application/x-www-form-urlencoded") => Form::Urlencoded,
        kind if kind.starts_with("multipart/form-data") => Form::Multipart,
        _ => Form::Other,
    }
}

/// The answer to a call with more arguments than are read.
pub fn excess(call: &Call) -> Option<Reply> {
    let exceeds = |text: &[u8]| {
        let mut read = Args::new(text, MAX_ARGS);
        read.by_ref().for_each(drop);
        read.truncated()
    };
    let too_many = exceeds(call.query.as_bytes()) || form(call) == Form::Urlencoded && exceeds(&call.body);
    too_many.then(|| Reply::message(400, "Too many arguments"))
}

/// Urlencoded arguments; an argument without `=` is true, a repeated one a list.
pub fn decode(text: &[u8]) -> Map<String, Value> {
    let mut arguments = Map::new();
    for argument in Args::new(text, MAX_ARGS) {
        let name = String::from_utf8_lossy(&argument.name).into_owned();
        let value = argument.value.map_or(Value::Bool(true), |value| String::from_utf8_lossy(&value).into());
        add(&mut arguments, name, value);
    }
    arguments
}

/// A scalar argument as text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether an argument that is a switch is on.
pub fn is_truthy(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_f64() == Some(1.0),
        Some(Value::String(text)) => {
            matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "on" | "yes")
        }
        _ => false,
    }
}

fn add(arguments: &mut Map<String, Value>, name: String, value: Value) {
    match arguments.get_mut(&name) {
        None => {
            arguments.insert(name, value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use serde_json::json;

    use super::*;

    fn call(content_type: &str, body: &str) -> Call {
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, content_type.parse().unwrap())]);
        Call {
            method: Method::POST,
            path: "/config".to_owned(),
            query: "check_hash=1&a=1&a=2&flag".to_owned(),
            headers,
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn query_and_body_come_together() {
        let arguments = all(&call("application/json", "{\"config\": \"x\", \"a\": 5}")).unwrap();
        let expected = json!({"check_hash": "1", "a": 5, "flag": true, "config": "x"});
        assert_eq!(Value::Object(arguments), expected);
    }

    #[test]
    fn forms_of_both_kinds_are_read() {
        let arguments = body(&call("application/x-www-form-urlencoded", "config=a%3A+b&x=")).unwrap();
        assert_eq!(Value::Object(arguments), json!({"config": "a: b", "x": ""}));
        let form = "--B\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\na: b\nc: d\r\n--B\r\n\
                    content-disposition: form-data; name=\"flag\"; filename=\"f\"\r\nContent-Type: text/plain\r\n\r\n1\r\n--B--\r\n";
        let arguments = body(&call("multipart/form-data; boundary=B", form)).unwrap();
        assert_eq!(Value::Object(arguments), json!({"config": "a: b\nc: d", "flag": "1"}));
    }

    #[test]
    fn a_json_body_that_is_none_is_refused() {
        assert_eq!(body(&call("application/json", "{")).unwrap_err().status, 400);
        assert_eq!(body(&call("application/json", "")).unwrap_err().status, 400);
    }
}
