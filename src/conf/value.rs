//! The value of a property once it is read.

use serde_json::Value;

use super::number;
use super::property::Kind;

/// A value in Kong's resolved form: what `kong.configuration` holds in Lua and `GET /` prints.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A number; all numbers are doubles, as in Lua.
    Number(f64),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<ConfValue>),
    /// A table with names, in the order in which it is printed.
    Map(Vec<(String, ConfValue)>),
}

/// As the Admin API and Lua have it: a number without fraction is an integer.
impl From<&ConfValue> for Value {
    fn from(value: &ConfValue) -> Value {
        match value {
            ConfValue::Boolean(flag) => Value::Bool(*flag),
            ConfValue::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Value::from(*number as i64)
            }
            ConfValue::Number(number) => Value::from(*number),
            ConfValue::String(text) => Value::from(text.as_str()),
            ConfValue::Array(items) => items.iter().map(Value::from).collect(),
            ConfValue::Map(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), Value::from(value))).collect()
            }
        }
    }
}

impl ConfValue {
    /// Reads `raw` as a value of `kind`. `None` is an unset property.
    ///
    /// *Errors*: the text is not a number. (An unknown word for a boolean is false, as in Kong; words of
    /// an enumeration are checked by [`super::checks`].)
    pub fn read(raw: &str, kind: Kind) -> Result<Option<ConfValue>, NotANumber> {
        let raw = raw.trim();
        let is_on = matches!(raw, "on" | "true");
        Ok(match kind {
            Kind::Boolean if raw.is_empty() => None,
            Kind::Switch if raw.is_empty() => None,
            Kind::Boolean => Some(ConfValue::Boolean(is_on)),
            Kind::Switch => Some(ConfValue::from(if is_on { "on" } else { "off" })),
            Kind::Number if raw.is_empty() => None,
            Kind::Number => Some(ConfValue::Number(number::parse(raw).ok_or(NotANumber)?)),
            Kind::List => Some(ConfValue::list(split(raw))),
            Kind::Text | Kind::OneOf(_) if raw.is_empty() => None,
            Kind::Text | Kind::OneOf(_) => Some(ConfValue::from(raw)),
        })
    }

    /// A list of texts.
    pub fn list<T: Into<String>>(items: impl IntoIterator<Item = T>) -> ConfValue {
        ConfValue::Array(items.into_iter().map(|item| ConfValue::String(item.into())).collect())
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            ConfValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_array(&self) -> Option<&[ConfValue]> {
        match self {
            ConfValue::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The texts of a list; empty for anything else.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.as_array().unwrap_or_default().iter().filter_map(ConfValue::as_str)
    }

    /// The value as kong.conf would have it, if it can stand there: maps cannot.
    pub fn to_conf(&self) -> Option<String> {
        Some(match self {
            ConfValue::Boolean(value) => value.to_string(),
            ConfValue::Number(value) => number::format(*value),
            ConfValue::String(value) => value.clone(),
            ConfValue::Array(items) => {
                items.iter().map(ConfValue::to_conf).collect::<Option<Vec<_>>>()?.join(",")
            }
            ConfValue::Map(_) => return None,
        })
    }
}

impl From<&str> for ConfValue {
    fn from(text: &str) -> ConfValue {
        ConfValue::String(text.to_owned())
    }
}

/// The text is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANumber;

/// Splits a list. An empty text has no items, a comma at the end begins none; an empty item between commas is one.
fn split(raw: &str) -> impl Iterator<Item = &str> {
    raw.split_terminator(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_know_four_words_and_everything_else_is_false() {
        for (raw, expected) in [("on", true), ("true", true), (" on ", true), ("off", false), ("yes", false)]
        {
            assert_eq!(ConfValue::read(raw, Kind::Boolean), Ok(Some(ConfValue::Boolean(expected))), "{raw}");
        }
        assert_eq!(ConfValue::read("true", Kind::Switch), Ok(Some(ConfValue::from("on"))));
        assert_eq!(ConfValue::read("", Kind::Boolean), Ok(None));
    }

    #[test]
    fn lists_are_split_at_commas_and_trimmed() {
        let read = |raw| ConfValue::read(raw, Kind::List).unwrap().unwrap();
        assert_eq!(
            read(" foobar,  hello-world, bundled"),
            ConfValue::list(["foobar", "hello-world", "bundled"])
        );
        assert_eq!(read("a,,b"), ConfValue::list(["a", "", "b"]));
        assert_eq!(read("a,"), ConfValue::list(["a"]));
        assert_eq!(read(","), ConfValue::list([""]));
        assert_eq!(read(""), ConfValue::Array(vec![]));
    }

    #[test]
    fn numbers_are_refused_when_they_are_none() {
        assert_eq!(ConfValue::read("0.5", Kind::Number), Ok(Some(ConfValue::Number(0.5))));
        assert_eq!(ConfValue::read("", Kind::Number), Ok(None));
        assert_eq!(ConfValue::read("many", Kind::Number), Err(NotANumber));
    }
}
