//! From sources to a [`Conf`], step by step.

use std::collections::BTreeMap;
use std::path::Path;

use super::checks::Findings;
use super::property::Kind;
use super::references::References;
use super::sources::{self, Sources};
use super::value::ConfValue;
use super::values::Values;
use super::{Conf, ConfError, checks, derived, legacy, paths, references, table};

/// Numbers that have no meaning when they are set to nothing.
const NEEDED_NUMBERS: [&str; 13] = [
    "cluster_data_plane_purge_delay",
    "cluster_max_payload",
    "lua_max_post_args",
    "lua_max_req_headers",
    "lua_max_resp_headers",
    "lua_max_uri_args",
    "pg_max_concurrent_queries",
    "pg_semaphore_timeout",
    "tracing_sampling_rate",
    "upstream_keepalive_idle_timeout",
    "upstream_keepalive_max_requests",
    "upstream_keepalive_pool_size",
    "worker_state_update_frequency",
];

impl Conf {
    /// Reads, checks and completes a configuration.
    ///
    /// *Errors*: the file is missing or unreadable, a reference has no value, or values do not pass; the
    /// last kind holds every finding at once.
    pub fn load(sources: &Sources) -> Result<Conf, ConfError> {
        let mut user = sources.read()?;
        let mut findings = Findings { warnings: legacy::apply(&mut user), ..Findings::default() };
        let mut raw = sources::defaults();
        raw.extend(sources.read_running()?);
        raw.extend(user);
        let file = sources.file()?;
        let asked = file.as_deref().or(sources.running());
        let references = references::resolve(&mut raw, sources.variables(), sources.read_purpose(), asked)?;
        let mut values = read_values(&raw, &mut findings);
        checks::run(&mut values, &mut findings);
        if !findings.errors.is_empty() {
            return Err(ConfError::Invalid(findings.errors));
        }
        derived::add(&mut values);
        Ok(Conf { file, ..Conf::from_values(values, references, findings.warnings) })
    }

    /// The configuration of the node whose prefix is `prefix`: its `.kong_env`, unaffected by this
    /// process's environment.
    ///
    /// *Errors*: as for [`Conf::load`].
    pub fn from_prefix(prefix: &Path) -> Result<Conf, ConfError> {
        let env = paths::kong_env(prefix);
        Conf::load(&Sources::kong_env(&env).flag("prefix", prefix.to_str()))
    }

    /// The text of a property as kong.conf would hold it, secrets as their references.
    pub(super) fn written_form(&self, name: &str, value: &ConfValue) -> Option<String> {
        self.references.get(name).cloned().or_else(|| value.to_conf())
    }

    /// The original texts of properties that are references, by property.
    pub fn references(&self) -> &References {
        &self.references
    }
}

fn read_values(raw: &BTreeMap<String, String>, findings: &mut Findings) -> Values {
    let mut values = Values::default();
    for (name, text) in raw {
        let text = text.trim();
        let kind = table::find(name).map_or(Kind::Text, |property| property.kind);
        match ConfValue::read(text, kind) {
            Ok(Some(value)) => values.set(name, value),
            Ok(None) if name == "prefix" => findings.errors.push("prefix must not be empty".to_owned()),
            Ok(None) if NEEDED_NUMBERS.contains(&name.as_str()) => {
                findings.errors.push(format!("{name} is not a number: ''"));
            }
            Ok(None) => {}
            Err(_) => findings.errors.push(format!("{name} is not a number: '{text}'")),
        }
        match kind {
            Kind::OneOf(words) => check_word(name, values.text(name), words, &mut findings.errors),
            Kind::Boolean | Kind::Switch if !is_boolean_word(text) => {
                findings.warnings.push(format!("{name} has the unknown value '{text}', which means off"));
            }
            _ => {}
        }
    }
    add_empty_lists(&mut values);
    values
}

/// *Kong parity*: a list that nobody sets is an empty one, not unset.
fn add_empty_lists(values: &mut Values) {
    for property in table::properties().filter(|row| row.kind == Kind::List && row.deprecated.is_none()) {
        if values.find(property.name).is_none() {
            values.set(property.name, ConfValue::Array(Vec::new()));
        }
    }
}

fn check_word(name: &str, word: Option<&str>, words: &[&str], errors: &mut Vec<String>) {
    let also = table::find(name).map_or(&[][..], |property| property.also);
    let word = word.unwrap_or("nil");
    if !words.contains(&word) && !also.contains(&word) {
        errors.push(format!("{name} has an invalid value: '{word}' ({})", words.join(", ")));
    }
}

fn is_boolean_word(text: &str) -> bool {
    matches!(text, "" | "on" | "off" | "true" | "false")
}
