//! `{vault://…}` references, for whoever meets one at run time: fields of entities, plugins, `kong vault`.
//!
//! [`Vaults`] knows the vaults by the name before the first slash: the bundled `env` vault under its own name. What
//! `vaults` entities define under their prefix, whoever has the entities looks up by [`Vaults::look_up_as`]. Vaults
//! written in Lua are asked by the Lua runtime alone; what they say is kept here ([`kept`]) for everybody else.
//!
//! *Kong parity*: the environment is that of the moment, which specs change within their process.

pub mod kept;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::conf::{Conf, EnvVault, Reference, ReferenceError};
use kept::Kept;

/// The vaults of the process.
#[derive(Debug, Clone)]
pub struct Vaults {
    /// The variables; those of the process where there are none.
    environment: Option<BTreeMap<String, String>>,
    /// Vaults by name, each with the prefix of its variables.
    prefixes: BTreeMap<String, String>,
    /// The vaults that are written in Lua, by name.
    scripted: Vec<String>,
}

impl Vaults {
    /// The vaults that `conf` loads, over the environment of the process.
    pub fn of_process(conf: &Conf) -> Vaults {
        Vaults::over(conf, None)
    }

    /// The vaults that `conf` loads, over `environment`.
    pub fn new(conf: &Conf, environment: BTreeMap<String, String>) -> Vaults {
        Vaults::over(conf, Some(environment))
    }

    fn over(conf: &Conf, environment: Option<BTreeMap<String, String>>) -> Vaults {
        let loaded = conf.vaults.iter().filter(|name| *name == "env");
        let prefixes = loaded.map(|name| (name.clone(), conf.vault_env_prefix.clone())).collect();
        let scripted = conf.vaults.iter().filter(|name| *name != "env").cloned().collect();
        Vaults { environment, prefixes, scripted }
    }

    fn environment(&self) -> Cow<'_, BTreeMap<String, String>> {
        let variables = || {
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        };
        self.environment.as_ref().map_or_else(|| Cow::Owned(variables().collect()), Cow::Borrowed)
    }

    /// Whether a vault of the process has this name, which no entity can take.
    pub fn knows(&self, name: &str) -> bool {
        self.prefixes.contains_key(name)
    }

    /// Whether a vault of this name is written in Lua.
    pub fn is_scripted(&self, name: &str) -> bool {
        self.scripted.iter().any(|scripted| scripted == name)
    }

    /// Whether any vault is written in Lua.
    pub fn has_scripted(&self) -> bool {
        !self.scripted.is_empty()
    }

    /// What a vault written in Lua said of `reference`; `configuration` is that of the entity, empty without one.
    ///
    /// *Errors*: it has no value, or was not asked yet.
    pub fn kept(&self, reference: &str, configuration: &str) -> Result<String, ReferenceError> {
        match kept::find(reference, configuration) {
            Kept::Secret(secret) => Ok(secret.to_string()),
            Kept::Nothing => Err(ReferenceError::NoValue),
            Kept::Unknown => Err(ReferenceError::NotAsked),
        }
    }

    /// The value that `reference` stands for in the vault of an entity: one of `kind`, whose variables begin with
    /// `variables`, the entity's `config.prefix`.
    ///
    /// *Kong parity*: `vault_env_prefix` is not for entities.
    ///
    /// *Errors*: there are no vaults of this kind, or it has no value.
    pub fn look_up_as(
        &self,
        reference: &Reference,
        kind: &str,
        variables: &str,
    ) -> Result<String, ReferenceError> {
        if !self.knows(kind) {
            return Err(ReferenceError::NoVault(kind.to_owned()));
        }
        EnvVault { prefix: variables, environment: &self.environment() }.look_up(reference)
    }

    /// The value that `reference` stands for.
    ///
    /// *Errors*: it is no reference, names no known vault, or has no value; in Kong's wording.
    pub fn look_up(&self, reference: &str) -> Result<String, ReferenceError> {
        let reference = Reference::parse(reference)?;
        let prefix = self
            .prefixes
            .get(&reference.vault)
            .ok_or_else(|| ReferenceError::NoVault(reference.vault.clone()))?;
        EnvVault { prefix, environment: &self.environment() }.look_up(&reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Sources;

    fn vaults(environment: &[(&str, &str)], properties: &[(&str, &str)]) -> Vaults {
        let sources = properties.iter().fold(
            Sources::new(None).without_default_files().environment(BTreeMap::new()),
            |sources, (name, value)| sources.flag(name, Some(value)),
        );
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Vaults::new(&Conf::load(&sources).unwrap(), environment)
    }

    #[test]
    fn dashes_and_case_do_not_matter() {
        let vaults = vaults(&[("SECRETS_TEST", "testvalue")], &[]);
        for reference in ["{vault://env/secrets_test}", "{vault://env/secrets-test}"] {
            assert_eq!(vaults.look_up(reference).as_deref(), Ok("testvalue"));
        }
    }

    #[test]
    fn the_prefix_of_variables_is_configured_or_the_instances() {
        let environment = [("SECRETS_AGAIN_TEST_TOO", "again"), ("SECRETS_TEST", "instance")];
        let vaults = vaults(&environment, &[("vault_env_prefix", "SECRETS-AGAIN-")]);
        assert_eq!(vaults.look_up("{vault://env/test-too}").as_deref(), Ok("again"));
        let reference = Reference::parse("{vault://test-env/test}").unwrap();
        assert_eq!(vaults.look_up_as(&reference, "env", "SECRETS_").as_deref(), Ok("instance"));
        assert!(vaults.look_up_as(&reference, "env", "").is_err());
        assert!(vaults.look_up_as(&reference, "hcv", "SECRETS_").is_err());
    }

    #[test]
    fn what_cannot_be_found_is_said() {
        let vaults = vaults(&[], &[]);
        assert_eq!(
            vaults.look_up("{vault://none/foo}").unwrap_err().to_string(),
            "could not find vault (none)"
        );
        let error = vaults.look_up("{vault://env/none}").unwrap_err().to_string();
        assert!(error.starts_with("could not get value from external vault"), "{error}");
    }

    #[test]
    fn a_vault_that_is_not_loaded_is_unknown() {
        let vaults = vaults(&[("A", "1")], &[("vaults", "off")]);
        assert!(matches!(vaults.look_up("{vault://env/a}"), Err(ReferenceError::NoVault(_))));
    }
}
