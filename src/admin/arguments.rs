//! Arguments of a call: from its query string and from a JSON, urlencoded or multipart body.

use serde_json::{Map, Value};

use super::call::Call;
use super::reply::Reply;
use crate::http::query::Args;

/// The most arguments that are read of a query string or form.
const MAX_ARGS: usize = 1000;

/// Query arguments and, over them, those of the body.
///
/// # Errors
/// The answer to a JSON body that is none.
pub fn all(call: &Call) -> Result<Map<String, Value>, Reply> {
    let mut arguments = call.arguments();
    arguments.extend(body(call)?);
    Ok(arguments)
}

/// The arguments of the body: those of a JSON object, of a form or of a multipart form.
///
/// # Errors
/// The answer to a JSON body that is none.
pub fn body(call: &Call) -> Result<Map<String, Value>, Reply> {
    let content_type = call.content_type().unwrap_or_default();
    if content_type.contains("application/json") {
        return match serde_json::from_slice(&call.body) {
            Ok(Value::Object(arguments)) => Ok(arguments),
            Ok(Value::Array(_)) => Ok(Map::new()),
            _ => Err(Reply::message(400, "Cannot parse JSON body")),
        };
    }
    if content_type.starts_with("application/x-www-form-urlencoded") {
        return Ok(decode(&call.body));
    }
    match call.header("content-type").and_then(boundary) {
        Some(boundary) => Ok(multipart(&call.body, boundary)),
        None => Ok(Map::new()),
    }
}

/// The answer to a call with more arguments than are read.
pub fn excess(call: &Call) -> Option<Reply> {
    let exceeds = |text: &[u8]| {
        let mut read = Args::new(text, MAX_ARGS);
        read.by_ref().for_each(drop);
        read.truncated()
    };
    let is_form =
        call.content_type().is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let too_many = exceeds(call.query.as_bytes()) || is_form && exceeds(&call.body);
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

fn boundary(content_type: &str) -> Option<&str> {
    if !content_type.to_ascii_lowercase().starts_with("multipart/form-data") {
        return None;
    }
    let parameters = content_type.split(';').skip(1);
    let mut boundaries = parameters.filter_map(|parameter| parameter.trim().strip_prefix("boundary="));
    boundaries.next().map(|boundary| boundary.trim_matches('"')).filter(|boundary| !boundary.is_empty())
}

/// The parts of a multipart form (RFC 7578) by name.
fn multipart(body: &[u8], boundary: &str) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let delimiter = format!("--{boundary}");
    let mut arguments = Map::new();
    for part in text.split(delimiter.as_str()).skip(1) {
        let Some(part) = part.strip_prefix("\r\n").or_else(|| part.strip_prefix('\n')) else { break };
        let halves = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"));
        let Some((head, content)) = halves else { continue };
        if let Some(name) = part_name(head) {
            let content =
                content.strip_suffix("\r\n").or_else(|| content.strip_suffix('\n')).unwrap_or(content);
            add(&mut arguments, name.to_owned(), Value::from(content));
        }
    }
    arguments
}

fn part_name(head: &str) -> Option<&str> {
    let disposition =
        head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let parameter = disposition.split(';').find_map(|parameter| parameter.trim().strip_prefix("name="))?;
    Some(parameter.trim_matches('"'))
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
