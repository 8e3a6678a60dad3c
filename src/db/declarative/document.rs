//! The text of a configuration → its document.

use md5::{Digest, Md5};
use serde_json::{Map, Value};

use super::{json, yaml};

/// A configuration before its entities are looked at: keys and lists as they stand in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The top-level keys.
    pub table: Map<String, Value>,
    /// The MD5 of the text, in 32 hexadecimal digits.
    pub hash: String,
}

impl Document {
    /// Reads a text: by its file's suffix, or as JSON and then as YAML when there is no file.
    ///
    /// # Errors
    /// The message Kong gives for a text that is neither.
    pub fn read(text: &str, file: Option<&str>) -> Result<Self, String> {
        let is = |suffixes: [&str; 2]| {
            file.is_none_or(|file| suffixes.iter().any(|suffix| file.ends_with(suffix)))
        };
        let mut reason = None;
        let mut tried = false;
        if is(["json", "json"]) {
            tried = true;
            match json::load(text) {
                Ok(value) => {
                    if let Some(table) = table(value) {
                        return Ok(Document { table, hash: hash(text) });
                    }
                }
                Err(error) => reason = Some(error),
            }
        }
        if is(["yml", "yaml"]) {
            tried = true;
            match yaml::load(text) {
                Ok(value) => {
                    if let Some(table) = value.and_then(table) {
                        return Ok(Document { table, hash: hash(text) });
                    }
                    reason = Some("expected an object".to_owned());
                }
                Err(error) => reason = Some(error.to_string()),
            }
        }
        Err(match (tried, reason) {
            (false, _) => {
                let file = file.unwrap_or_default();
                format!("unknown file type: {file}. (Accepted types: json, yaml)")
            }
            (true, Some(reason)) => format!("failed parsing declarative configuration: {reason}"),
            (true, None) => "failed parsing declarative configuration".to_owned(),
        })
    }
}

/// The MD5 of a text, in 32 hexadecimal digits.
pub fn hash(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A document's top level: an empty sequence is an empty table too, and the items of others have numbers.
fn table(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(table) => Some(table),
        Value::Array(items) => {
            let keys = (1..).map(crate::db::lua_literal::number_key);
            Some(keys.zip(items).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_json_is_tried_before_yaml() {
        let json = Document::read("{\"_format_version\": \"3.0\"}", None).unwrap();
        let yaml = Document::read("_format_version: '3.0'\n", None).unwrap();
        assert_eq!(json.table, yaml.table);
        assert_ne!(json.hash, yaml.hash);
        assert_eq!(yaml.hash.len(), 32);
    }

    #[test]
    fn the_suffix_decides_what_a_file_is() {
        let error = Document::read("{}", Some("/x/kong.toml")).unwrap_err();
        assert_eq!(error, "unknown file type: /x/kong.toml. (Accepted types: json, yaml)");
        assert!(
            Document::read("a: b\n", Some("kong.json"))
                .unwrap_err()
                .starts_with("failed parsing declarative")
        );
        assert!(Document::read("a: b\n", Some("kong.yaml")).is_ok());
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let error = Document::read("hello", Some("kong.yml")).unwrap_err();
        assert_eq!(error, "failed parsing declarative configuration: expected an object");
    }
}
