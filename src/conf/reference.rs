//! `{vault://env/NAME}`: a value that lives in an environment variable.
//!
//! References are resolved here for kong.conf itself, before anything else exists. Only the bundled
//! `env` vault can serve it; those written in Lua are asked by a process of their own.

use std::collections::BTreeMap;

/// A reference, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The vault's name, `env` in `{vault://env/my-secret/field?prefix=APP_#2}`.
    pub vault: String,
    /// What to look up, `my-secret`.
    pub resource: String,
    /// The field of a JSON object, if one is asked for.
    pub key: Option<String>,
    /// The version after `#`, if one is asked for.
    pub version: Option<u32>,
    /// Options of the vault after `?`.
    pub options: BTreeMap<String, String>,
}

/// The `env` vault: secrets in environment variables.
#[derive(Debug, Clone, Copy)]
pub struct EnvVault<'a> {
    /// What the variables begin with unless the reference says otherwise.
    pub prefix: &'a str,
    /// The variables.
    pub environment: &'a BTreeMap<String, String>,
}

impl EnvVault<'_> {
    /// The value that `reference`, which names this vault, stands for.
    ///
    /// *Errors*: there is no such variable, or its value has no such field.
    pub fn look_up(&self, reference: &Reference) -> Result<String, ReferenceError> {
        let secret = self.environment.get(&reference.variable(self.prefix));
        reference.select(secret.ok_or(ReferenceError::NoValue)?)
    }
}

/// Why a reference has no value, in Kong's wording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text has not the form of a reference.
    #[error("not a reference [{0}]")]
    NotAReference(String),
    /// The vault has no name.
    #[error("reference url is missing host [{0}]")]
    MissingHost(String),
    /// Nothing follows the vault.
    #[error("reference url is missing path [{0}]")]
    MissingPath(String),
    /// Nothing but a slash follows the vault.
    #[error("reference url has empty path [{0}]")]
    EmptyPath(String),
    /// What follows `#` is no number.
    #[error("reference url has invalid version [{0}]")]
    InvalidVersion(String),
    /// The path has no segment.
    #[error("reference url has invalid path [{0}]")]
    InvalidPath(String),
    /// No vault has this name.
    #[error("could not find vault ({0})")]
    NoVault(String),
    /// The vault has no such secret.
    #[error("could not get value from external vault (no value found)")]
    NoValue,
    /// The vault is written in Lua, and no worker has asked it yet.
    #[error("could not get value from external vault (it was not asked yet)")]
    NotAsked,
    /// The vault is written in Lua, and the process that asked it says so.
    #[error("{0}")]
    Scripted(String),
    /// The secret is no JSON object, so that it has no field.
    #[error(
        "could not get value from external vault (could not get subfield value: unable to json decode value ({value}): {reason})"
    )]
    NotJson {
        /// What the secret is as JSON, if it is: `nil` if it is not.
        value: String,
        /// Why it is no JSON: `nil` if it is.
        reason: String,
    },
    /// The JSON object has no such field.
    #[error(
        "could not get value from external vault (could not get subfield value: subfield {0} not found in JSON secret)"
    )]
    NoField(String),
    /// The field is no text.
    #[error(
        "could not get value from external vault (could not get subfield value: unexpected {kind} value in JSON secret for subfield {field})"
    )]
    WrongField {
        /// What it is.
        kind: &'static str,
        /// The field.
        field: String,
    },
}

impl Reference {
    /// Whether `text` has the form of a reference.
    pub fn is_reference(text: &str) -> bool {
        text.starts_with("{vault://") && text.ends_with('}')
    }

    /// Takes a reference apart.
    ///
    /// *Errors*: it has not the form of a reference or names nothing.
    pub fn parse(text: &str) -> Result<Reference, ReferenceError> {
        let whole = || text.to_owned();
        let inner = text
            .strip_prefix("{vault://")
            .and_then(|rest| rest.strip_suffix('}'))
            .ok_or_else(|| ReferenceError::NotAReference(whole()))?;
        let (inner, version) = match inner.split_once('#') {
            Some((before, version)) => {
                (before, Some(version.parse().map_err(|_| ReferenceError::InvalidVersion(whole()))?))
            }
            None => (inner, None),
        };
        let (location, query) = inner.split_once('?').unwrap_or((inner, ""));
        let (vault, path) = match location.split_once('/') {
            Some((vault, path)) => (vault, path),
            None if location.is_empty() => return Err(ReferenceError::MissingHost(whole())),
            None => return Err(ReferenceError::MissingPath(whole())),
        };
        if vault.is_empty() {
            return Err(ReferenceError::MissingHost(whole()));
        }
        if path.is_empty() {
            return Err(ReferenceError::EmptyPath(whole()));
        }
        let (resource, key) = split_path(path).ok_or_else(|| ReferenceError::InvalidPath(whole()))?;
        Ok(Reference { vault: vault.to_owned(), resource, key, version, options: split_query(query) })
    }

    /// The environment variable that the `env` vault reads: the prefix and the resource, in capitals,
    /// dashes as underscores. Version 2 is the previous one. `default_prefix` is `vault_env_prefix`.
    pub fn variable(&self, default_prefix: &str) -> String {
        let prefix = self.options.get("prefix").map_or(default_prefix, String::as_str);
        let mut variable = format!("{prefix}{}", self.resource).replace('-', "_").to_uppercase();
        if self.version == Some(2) {
            variable.push_str("_PREVIOUS");
        }
        variable
    }

    /// Picks the reference's field out of the secret: the secret itself, or a field of the JSON object
    /// that it must then be.
    ///
    /// *Errors*: the secret is no JSON object, or has no such field, or the field is no text.
    pub fn select(&self, secret: &str) -> Result<String, ReferenceError> {
        let Some(field) = &self.key else { return Ok(secret.to_owned()) };
        let nil = || "nil".to_owned();
        let object: serde_json::Value = serde_json::from_str(secret)
            .map_err(|error| ReferenceError::NotJson { value: nil(), reason: as_cjson(secret, &error) })?;
        if !object.is_object() && !object.is_array() {
            let value = object.as_str().map_or_else(|| object.to_string(), str::to_owned);
            return Err(ReferenceError::NotJson { value, reason: nil() });
        }
        let wrong = |kind| Err(ReferenceError::WrongField { kind, field: field.clone() });
        match object.get(field) {
            None => Err(ReferenceError::NoField(field.clone())),
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(serde_json::Value::Number(_)) => wrong("number"),
            Some(serde_json::Value::Bool(_)) => wrong("boolean"),
            Some(serde_json::Value::Null) => wrong("userdata"),
            Some(serde_json::Value::Array(_) | serde_json::Value::Object(_)) => wrong("table"),
        }
    }
}

/// What cjson says of a text that is no JSON.
fn as_cjson(text: &str, error: &serde_json::Error) -> String {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let found = if error.is_eof() { "T_END" } else { "invalid token" };
    let character = before + error.column() + usize::from(error.is_eof());
    format!("Expected value but found {found} at character {}", character.max(1))
}

/// The resource and the field: the last of several segments is the field, unless the path ends with a
/// slash.
fn split_path(path: &str) -> Option<(String, Option<String>)> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (last, parents) = segments.split_last()?;
    if parents.is_empty() || path.ends_with('/') {
        return Some((decode(&segments.join("/")), None));
    }
    Some((decode(&parents.join("/")), Some(decode(last))))
}

fn split_query(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|option| !option.is_empty())
        .map(|option| option.split_once('=').unwrap_or((option, "true")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_vault_resource_field_version_and_options() {
        let reference = Reference::parse("{vault://env/my-secret/field?prefix=APP_#1}").unwrap();
        assert_eq!(reference.vault, "env");
        assert_eq!(reference.resource, "my-secret");
        assert_eq!(reference.key.as_deref(), Some("field"));
        assert_eq!(reference.version, Some(1));
        assert_eq!(reference.variable("KONG_"), "APP_MY_SECRET");
        let previous = Reference::parse("{vault://env/a/b/#2}").unwrap();
        assert_eq!(previous.variable("x-"), "X_A/B_PREVIOUS");
    }

    #[test]
    fn what_is_no_reference_is_answered_with_the_reason() {
        for (text, reason) in [
            ("plain", "not a reference [plain]"),
            ("{vault:/env/a}", "not a reference [{vault:/env/a}]"),
            ("{vault:///a}", "reference url is missing host [{vault:///a}]"),
            ("{vault://env}", "reference url is missing path [{vault://env}]"),
            ("{vault://env/}", "reference url has empty path [{vault://env/}]"),
            ("{vault://env/a#x}", "reference url has invalid version [{vault://env/a#x}]"),
            ("{vault://env//}", "reference url has invalid path [{vault://env//}]"),
        ] {
            assert_eq!(Reference::parse(text).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn a_field_is_picked_out_of_a_json_object() {
        let select = |reference, secret| Reference::parse(reference).unwrap().select(secret);
        assert_eq!(select("{vault://env/db}", "plain"), Ok("plain".to_owned()));
        assert_eq!(select("{vault://env/db/a}", r#"{"a":"hunter2"}"#), Ok("hunter2".to_owned()));
        assert_eq!(select("{vault://env/db/a}", "{}"), Err(ReferenceError::NoField("a".to_owned())));
        let words = |secret| select("{vault://env/db/a}", secret).unwrap_err().to_string();
        let why = "could not get value from external vault (could not get subfield value: ";
        let not_json = "unable to json decode value (nil): Expected value but found";
        assert_eq!(words("plain"), format!("{why}{not_json} invalid token at character 1)"));
        assert_eq!(words(""), format!("{why}{not_json} T_END at character 1)"));
        assert_eq!(words("1"), format!("{why}unable to json decode value (1): nil)"));
        let number = "unexpected number value in JSON secret for subfield a)";
        assert_eq!(words(r#"{"a":1}"#), format!("{why}{number}"));
        assert!(matches!(
            select("{vault://env/db/a}", r#"{"a":{}}"#),
            Err(ReferenceError::WrongField { .. })
        ));
    }
}
