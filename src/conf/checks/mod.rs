//! What must hold between values: one file per subject. Every finding is collected.
//!
//! *Kong parity*: the messages are Kong's, word for word, and so is the order of the subjects.

mod bounds;
mod cassandra;
mod ciphers;
mod cluster;
mod dns;
mod labels;
mod listeners;
mod manager;
mod pem;
mod pluginservers;
mod proxy_server;
mod tls;
mod tracing;
mod words;

pub use pluginservers::list as pluginservers;

use super::values::Values;
use super::{access_log, directives};

/// What the checks found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What refuses the configuration.
    pub errors: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Looks at `values` and adds to `findings`. Values that are given as content instead of a path, or as
/// `system`, are replaced by what they stand for.
pub fn run(values: &mut Values, findings: &mut Findings) {
    tls::check_authorities(values, findings);
    words::check_port_maps(values, findings);
    tls::check_certificates(values, findings);
    manager::check(values, findings);
    tls::check_suite(values, findings);
    words::check_headers(values, findings);
    dns::check(values, findings);
    words::check_trusted_ips(values, findings);
    bounds::check_database(values, findings);
    cassandra::check(values, findings);
    bounds::check_worker_state_update_frequency(values, findings);
    proxy_server::check(values, findings);
    cluster::check(values, findings);
    bounds::check_cluster_and_upstream(values, findings);
    tracing::check(values, findings);
    bounds::check_lua(values, findings);
    words::check_node_id(values, findings);
    words::check_wasm(values, findings);
    words::check_sizes(values, findings);
    pluginservers::check(values, findings);
    listeners::check(values, findings);
    access_log::check(values, findings);
    directives::check(values, &mut findings.errors, &mut findings.warnings);
    tls::make_absolute(values);
}

impl Findings {
    /// Adds an error.
    fn error(&mut self, message: impl Into<String>) {
        self.errors.push(message.into());
    }

    /// Adds a warning.
    fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }
}

/// What a set of properties is answered with, for the tests of each subject.
#[cfg(test)]
mod trial {
    use std::collections::BTreeMap;

    use crate::conf::{Conf, ConfError, Sources};

    /// Loads `properties` over the defaults.
    pub fn load(properties: &[(&str, &str)]) -> Result<Conf, ConfError> {
        let sources = Sources::new(None).without_default_files().environment(BTreeMap::new());
        Conf::load(&properties.iter().fold(sources, |sources, (name, value)| sources.flag(name, Some(value))))
    }

    /// The errors of `properties`; none if they load.
    pub fn errors(properties: &[(&str, &str)]) -> Vec<String> {
        load(properties).map(|_| Vec::new()).unwrap_or_else(|error| error.messages())
    }
}
