//! Replaces `{vault://…}` in the raw properties by what it stands for, and remembers the reference.

use std::collections::BTreeMap;
use std::path::Path;

use super::property::Kind;
use super::reference::{EnvVault, Reference, ReferenceError};
use super::sources::Purpose;
use super::{ConfError, bundled, scripted, table};

/// The references of a configuration by property. `.kong_env` keeps them in place of the secrets.
pub type References = BTreeMap<String, String>;

/// Replaces every reference in `raw` and returns the original texts of the properties that had one.
///
/// *Errors*: with [`Purpose::Start`], the first reference that has no value. Otherwise such a value stays
/// as it is, or with [`Purpose::Stop`] gives way to the property's default.
pub fn resolve(
    raw: &mut BTreeMap<String, String>,
    environment: &BTreeMap<String, String>,
    purpose: Purpose,
    file: Option<&Path>,
) -> Result<References, ConfError> {
    let vaults = Vaults { file, purpose, ..Vaults::of(raw, environment) };
    let mut references = References::new();
    for (name, text) in raw.iter_mut() {
        let is_list = table::find(name).is_some_and(|property| property.kind == Kind::List);
        let mut items: Vec<String> = if is_list {
            text.split(',').map(|item| item.trim().to_owned()).collect()
        } else {
            vec![text.trim().to_owned()]
        };
        if !items.iter().any(|item| Reference::is_reference(item)) {
            continue;
        }
        references.insert(name.clone(), text.clone());
        let mut resolved = Vec::new();
        for (index, item) in items.drain(..).enumerate() {
            let option = if is_list { format!("{name}[{}]", index + 1) } else { name.clone() };
            resolved.extend(vaults.replace(item, option, purpose)?);
        }
        *text = match table::find(name) {
            // left out, to find or stop a node: as if nobody had set it
            Some(property) if resolved.is_empty() => property.default.to_owned(),
            _ => resolved.join(","),
        };
    }
    Ok(references)
}

struct Vaults<'a> {
    names: Vec<String>,
    env_prefix: String,
    environment: &'a BTreeMap<String, String>,
    prefix: Option<String>,
    file: Option<&'a Path>,
    purpose: Purpose,
}

impl<'a> Vaults<'a> {
    fn of(raw: &BTreeMap<String, String>, environment: &'a BTreeMap<String, String>) -> Vaults<'a> {
        let listed = raw.get("vaults").map_or("", String::as_str);
        let names: Vec<String> = listed.split(',').map(|name| name.trim().to_owned()).collect();
        Vaults {
            names: bundled::expand(&names, &bundled::VAULTS),
            env_prefix: raw.get("vault_env_prefix").cloned().unwrap_or_default(),
            environment,
            prefix: raw.get("prefix").cloned(),
            file: None,
            purpose: Purpose::Inspect,
        }
    }

    /// The value of an item: itself unless it is a reference; `None` if it is to be left out.
    fn replace(&self, item: String, option: String, purpose: Purpose) -> Result<Option<String>, ConfError> {
        if !Reference::is_reference(&item) {
            return Ok(Some(item));
        }
        match (self.look_up(&item), purpose) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(error), Purpose::Start) => {
                Err(ConfError::Dereference { reference: item, reason: error.to_string(), option })
            }
            (Err(_), Purpose::Stop) => Ok(None),
            (Err(_), Purpose::Inspect) => Ok(Some(item)),
        }
    }

    fn look_up(&self, text: &str) -> Result<String, ReferenceError> {
        let reference = Reference::parse(text)?;
        if !self.names.contains(&reference.vault) {
            return Err(ReferenceError::NoVault(reference.vault));
        } else if reference.vault != "env" {
            return match self.purpose {
                Purpose::Start => scripted::ask(text, self.file, self.prefix.as_deref()),
                Purpose::Stop | Purpose::Inspect => Err(ReferenceError::NotAsked),
            };
        }
        EnvVault { prefix: &self.env_prefix, environment: self.environment }.look_up(&reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(
        raw: &[(&str, &str)],
        environment: &[(&str, &str)],
        purpose: Purpose,
    ) -> Result<(BTreeMap<String, String>, References), ConfError> {
        let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let mut raw = owned(raw);
        raw.insert("vaults".to_owned(), "bundled".to_owned());
        let references = resolve(&mut raw, &owned(environment), purpose, None)?;
        Ok((raw, references))
    }

    #[test]
    fn references_are_resolved_and_remembered() {
        let (raw, references) = resolved(
            &[("pg_database", "{vault://env/pg-database}"), ("pg_port", "{vault://env/pg-port#0}")],
            &[("PG_DATABASE", "db"), ("PG_PORT", "5000")],
            Purpose::Start,
        )
        .unwrap();
        assert_eq!(raw["pg_database"], "db");
        assert_eq!(raw["pg_port"], "5000");
        assert_eq!(references["pg_database"], "{vault://env/pg-database}");
    }

    #[test]
    fn items_of_lists_are_resolved_one_by_one() {
        let (raw, references) = resolved(
            &[("ssl_cert", "/a.crt, {vault://env/cert}"), ("vault_env_prefix", "MY-")],
            &[("MY_CERT", "/b.crt")],
            Purpose::Start,
        )
        .unwrap();
        assert_eq!(raw["ssl_cert"], "/a.crt,/b.crt");
        assert_eq!(references["ssl_cert"], "/a.crt, {vault://env/cert}");
    }

    #[test]
    fn a_missing_secret_matters_only_to_a_start() {
        let raw = [("ssl_cert", "/a.crt,{vault://env/none}"), ("pg_user", "{vault://env/none}")];
        let error = resolved(&raw, &[], Purpose::Start).unwrap_err();
        assert!(error.to_string().starts_with("failed to dereference '{vault://env/none}': "), "{error}");
        let (stopped, _) = resolved(&raw, &[], Purpose::Stop).unwrap();
        assert_eq!((stopped["ssl_cert"].as_str(), stopped["pg_user"].as_str()), ("/a.crt", "kong"));
        let (inspected, _) = resolved(&raw, &[], Purpose::Inspect).unwrap();
        assert_eq!(inspected["pg_user"], "{vault://env/none}");
    }

    #[test]
    fn other_vaults_have_no_value_here() {
        let raw = [("pg_user", "{vault://aws/user}")];
        assert!(
            resolved(&raw, &[], Purpose::Start)
                .unwrap_err()
                .to_string()
                .contains("could not find vault (aws)")
        );
    }
}
