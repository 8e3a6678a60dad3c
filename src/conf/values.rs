//! All properties by name, while they are checked and afterwards.

use std::collections::BTreeMap;

use super::value::ConfValue;

/// The properties that are set, sorted by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(BTreeMap<String, ConfValue>);

impl Values {
    /// The value of `name`, if it is set.
    pub fn find(&self, name: &str) -> Option<&ConfValue> {
        self.0.get(name)
    }

    /// The text of `name`, if it is set and a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(ConfValue::as_str)
    }

    /// The number of `name`, if it is set and a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.find(name) {
            Some(ConfValue::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether `name` is set and true (or the word `on`).
    pub fn is_on(&self, name: &str) -> bool {
        match self.find(name) {
            Some(ConfValue::Boolean(value)) => *value,
            Some(ConfValue::String(word)) => word == "on",
            _ => false,
        }
    }

    /// The items of the list `name`; none if it is unset.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.find(name).map(|list| list.texts().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// Whether the list `name` is empty or begins with `off`.
    pub fn is_off(&self, name: &str) -> bool {
        self.texts(name).first().is_none_or(|first| first == "off")
    }

    /// Sets `name`.
    pub fn set(&mut self, name: &str, value: ConfValue) {
        self.0.insert(name.to_owned(), value);
    }

    /// Sets `name` to a text, or unsets it.
    pub fn set_text(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.set(name, ConfValue::from(text)),
            None => {
                self.0.remove(name);
            }
        }
    }

    /// Every name and value, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ConfValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}
