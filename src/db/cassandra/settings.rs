//! How a Cassandra cluster is reached: the `cassandra_*` properties.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::conf::{Conf, Consistency, LoadBalancing, Replication};
use crate::tls::Unverified;

/// Where a cluster is, who asks it and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Names or addresses of nodes.
    pub contact_points: Vec<String>,
    /// The port of all nodes.
    pub port: u16,
    /// The keyspace.
    pub keyspace: String,
    /// How many replicas have a write before it is done.
    pub write_consistency: Consistency,
    /// How many replicas answer a read.
    pub read_consistency: Consistency,
    /// How long connecting, and each request, may take.
    pub timeout: Duration,
    /// Whether connections are encrypted.
    pub ssl: bool,
    /// Whether the nodes' certificates must lead to one that is trusted.
    pub ssl_verify: bool,
    /// Files with the certificates that are trusted.
    pub trusted: Vec<String>,
    /// Who logs in; nobody without a password.
    pub login: Option<(String, String)>,
    /// The data center whose nodes are asked first.
    pub local_datacenter: Option<String>,
    /// How often it is looked which nodes there are; never where nothing is given.
    pub refresh: Option<Duration>,
    /// How a keyspace is replicated that is made, as CQL writes it.
    pub replication: String,
    /// How long the nodes may take to agree on a change of the tables.
    pub agreement: Duration,
}

impl Settings {
    /// Those of a configuration.
    pub fn of(conf: &Conf) -> Settings {
        let is_aware = matches!(
            conf.cassandra_lb_policy,
            LoadBalancing::DcAwareRoundRobin | LoadBalancing::RequestDcAwareRoundRobin
        );
        let refresh = conf.cassandra_refresh_frequency;
        let password = conf.cassandra_password.clone();
        Settings {
            contact_points: conf.cassandra_contact_points.clone(),
            port: conf.cassandra_port,
            keyspace: conf.cassandra_keyspace.clone(),
            write_consistency: conf.cassandra_write_consistency,
            read_consistency: conf.cassandra_read_consistency,
            timeout: conf.cassandra_timeout,
            ssl: conf.cassandra_ssl,
            ssl_verify: conf.cassandra_ssl_verify,
            trusted: conf.lua_ssl_trusted_certificate.clone(),
            login: password.map(|password| (conf.cassandra_username.clone(), password)),
            local_datacenter: conf.cassandra_local_datacenter.clone().filter(|_| is_aware),
            refresh: (!refresh.is_zero()).then_some(refresh),
            replication: replication(conf),
            agreement: conf.cassandra_schema_consensus_timeout,
        }
    }

    /// Which keyspace it is, without who asks: what tells one from another.
    pub fn address(&self) -> String {
        format!("cassandra://{}:{}/{}", self.contact_points.join(","), self.port, self.keyspace)
    }

    /// The nodes that are asked first, with their port.
    pub(super) fn nodes(&self) -> Vec<String> {
        let node = |point: &String| match point.contains(':') && !point.starts_with('[') {
            true => format!("[{point}]:{}", self.port),
            false => format!("{point}:{}", self.port),
        };
        self.contact_points.iter().map(node).collect()
    }

    /// What connections are encrypted with; none where they are not.
    ///
    /// *Errors*: a file of trusted certificates that cannot be read, named.
    pub(super) fn tls(&self) -> Result<Option<Arc<ClientConfig>>, String> {
        if !self.ssl {
            return Ok(None);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if self.ssl_verify {
            let roots = Arc::new(self.roots()?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            verifier.map_err(|error| format!("lua_ssl_trusted_certificate: {error}"))?
        } else {
            Arc::new(Unverified::new(Arc::clone(&provider)))
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        Ok(Some(Arc::new(builder.with_no_client_auth())))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        if self.trusted.is_empty() {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        for file in &self.trusted {
            let told =
                |error: &dyn std::fmt::Display| format!("lua_ssl_trusted_certificate '{file}': {error}");
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| told(&error))? {
                let certificate = certificate.map_err(|error| told(&error))?;
                roots.add(certificate).map_err(|error| told(&error))?;
            }
        }
        Ok(roots)
    }
}

fn replication(conf: &Conf) -> String {
    if conf.cassandra_repl_strategy == Replication::Simple {
        let factor = conf.cassandra_repl_factor;
        return format!("{{'class': 'SimpleStrategy', 'replication_factor': {factor}}}");
    }
    let centers = conf.cassandra_data_centers.iter().filter_map(|center| center.rsplit_once(':'));
    let counts =
        centers.map(|(name, count)| format!(", '{}': {}", name.trim().replace('\'', "''"), count.trim()));
    format!("{{'class': 'NetworkTopologyStrategy'{}}}", counts.collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::conf::Sources;

    fn settings(properties: &[(&str, &str)]) -> Settings {
        let sources = Sources::new(None).without_default_files().environment(BTreeMap::new());
        let sources =
            properties.iter().fold(sources, |sources, (name, value)| sources.flag(name, Some(*value)));
        Settings::of(&Conf::load(&sources).unwrap())
    }

    #[test]
    fn the_defaults_are_those_of_kong_3_3() {
        let settings = settings(&[("database", "cassandra")]);
        assert_eq!(settings.nodes(), ["127.0.0.1:9042"]);
        assert_eq!(settings.keyspace, "kong");
        assert_eq!(settings.write_consistency, Consistency::One);
        assert_eq!(settings.timeout, Duration::from_secs(5));
        assert_eq!((settings.login, settings.local_datacenter), (None, None));
        assert_eq!(settings.refresh, Some(Duration::from_secs(60)));
        assert_eq!(settings.replication, "{'class': 'SimpleStrategy', 'replication_factor': 1}");
    }

    #[test]
    fn data_centers_have_their_own_number_of_replicas() {
        let settings = settings(&[
            ("database", "cassandra"),
            ("cassandra_contact_points", "one, ::1"),
            ("cassandra_repl_strategy", "NetworkTopologyStrategy"),
            ("cassandra_lb_policy", "DCAwareRoundRobin"),
            ("cassandra_local_datacenter", "dc1"),
            ("cassandra_refresh_frequency", "0"),
            ("cassandra_password", "p"),
        ]);
        assert_eq!(settings.replication, "{'class': 'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 3}");
        assert_eq!(settings.local_datacenter.as_deref(), Some("dc1"));
        assert_eq!(settings.nodes(), ["one:9042", "[::1]:9042"]);
        assert_eq!(settings.refresh, None);
        assert_eq!(settings.login, Some(("kong".to_owned(), "p".to_owned())));
        assert_eq!(settings.address(), "cassandra://one,::1:9042/kong");
    }
}
