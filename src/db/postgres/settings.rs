//! How a PostgreSQL server is reached: the `pg_*` properties.

use std::fs;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::conf::Conf;

/// Where a server is, who asks it and how much at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name, address, or the folder of a Unix socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// Their password, if they need one.
    pub password: Option<String>,
    /// The database.
    pub database: String,
    /// The schema of all tables; the user's first one if none is given.
    pub schema: Option<String>,
    /// Whether the connection is encrypted.
    pub ssl: bool,
    /// Whether the server's certificate must lead to one that is trusted.
    pub ssl_verify: bool,
    /// Files with the certificates that are trusted.
    pub trusted: Vec<String>,
    /// How long connecting, and each query, may take.
    pub timeout: Duration,
    /// The most connections at a time.
    pub connections: u32,
    /// How long a query may wait for a connection.
    pub wait: Duration,
    /// How long a connection is kept without use; for ever if none is given.
    pub idle: Option<Duration>,
}

/// The most connections where `pg_max_concurrent_queries` and `pg_pool_size` leave it open.
const CONNECTIONS: u32 = 10;

impl Settings {
    /// Those of the server that is written to.
    pub fn of(conf: &Conf) -> Settings {
        Settings {
            host: conf.pg_host.clone(),
            port: conf.pg_port,
            user: conf.pg_user.clone(),
            password: conf.pg_password.clone(),
            database: conf.pg_database.clone(),
            schema: conf.pg_schema.clone().filter(|schema| !schema.is_empty()),
            ssl: conf.pg_ssl,
            ssl_verify: conf.pg_ssl_verify,
            trusted: conf.lua_ssl_trusted_certificate.clone(),
            timeout: conf.pg_timeout,
            connections: connections(conf.pg_max_concurrent_queries, conf.pg_pool_size),
            wait: conf.pg_semaphore_timeout,
            idle: conf.pg_keepalive_timeout,
        }
    }

    /// Those of the server that is only read from, where there is one. What `pg_ro_*` leaves open is as in `pg_*`.
    pub fn read_only(conf: &Conf) -> Option<Settings> {
        let host = conf.pg_ro_host.clone()?;
        let base = Settings::of(conf);
        Some(Settings {
            host,
            port: conf.pg_ro_port.unwrap_or(base.port),
            user: conf.pg_ro_user.clone().unwrap_or(base.user),
            password: conf.pg_ro_password.clone().or(base.password),
            database: conf.pg_ro_database.clone().unwrap_or(base.database),
            schema: conf.pg_ro_schema.clone().filter(|schema| !schema.is_empty()).or(base.schema),
            ssl: conf.pg_ro_ssl.unwrap_or(base.ssl),
            ssl_verify: conf.pg_ro_ssl_verify.unwrap_or(base.ssl_verify),
            trusted: base.trusted,
            timeout: conf.pg_ro_timeout.unwrap_or(base.timeout),
            connections: connections(
                conf.pg_ro_max_concurrent_queries.unwrap_or(conf.pg_max_concurrent_queries),
                conf.pg_ro_pool_size.or(conf.pg_pool_size),
            ),
            wait: conf.pg_ro_semaphore_timeout.unwrap_or(base.wait),
            idle: conf.pg_ro_keepalive_timeout.or(base.idle),
        })
    }

    /// Which database it is, without who asks: what tells one from another.
    pub fn address(&self) -> String {
        let schema = self.schema.as_deref().unwrap_or_default();
        format!("postgres://{}:{}/{}?schema={schema}", self.host, self.port, self.database)
    }

    /// The same for sqlx.
    ///
    /// *Kong parity*: a certificate that is verified must lead to a trusted one; the name in it is not compared, as
    /// Kong does not either.
    ///
    /// *Errors*: a file of trusted certificates that cannot be read.
    pub(super) fn connect_options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass()
            .port(self.port)
            .username(&self.user)
            .password(self.password.as_deref().unwrap_or_default())
            .database(&self.database)
            .application_name("kong")
            // a pooler in between refuses what it does not know
            .extra_float_digits(None)
            .ssl_mode(self.ssl_mode());
        let options = match self.host.strip_prefix("unix:").unwrap_or(&self.host) {
            folder if folder.starts_with('/') => options.socket(folder),
            host => options.host(host),
        };
        if self.ssl && self.ssl_verify {
            Ok(options.ssl_root_cert_from_pem(self.trusted_pem()?))
        } else {
            Ok(options)
        }
    }

    fn ssl_mode(&self) -> PgSslMode {
        match (self.ssl, self.ssl_verify) {
            (false, _) => PgSslMode::Disable,
            (true, false) => PgSslMode::Require,
            (true, true) => PgSslMode::VerifyCa,
        }
    }

    fn trusted_pem(&self) -> Result<Vec<u8>, sqlx::Error> {
        let mut pem = Vec::new();
        for file in &self.trusted {
            let text = fs::read(file).map_err(|error| {
                sqlx::Error::Configuration(format!("could not read {file}: {error}").into())
            })?;
            pem.extend_from_slice(&text);
            pem.push(b'\n');
        }
        Ok(pem)
    }
}

fn connections(most: u32, pool: Option<u32>) -> u32 {
    match (most, pool) {
        (0, None) => CONNECTIONS,
        (0, Some(pool)) => pool.max(1),
        (most, _) => most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Sources;

    fn load(properties: &[(&str, &str)]) -> Conf {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = properties.iter().map(|(name, value)| format!("{name} = {value}\n"));
        fs::write(file.path(), lines.collect::<String>()).unwrap();
        Conf::load(&Sources::new(Some(file.path()))).unwrap()
    }

    #[test]
    fn the_replica_takes_from_the_primary_what_it_does_not_say_itself() {
        let conf = load(&[
            ("pg_user", "me"),
            ("pg_ro_host", "replica"),
            ("pg_ro_port", "6432"),
            ("pg_timeout", "1500"),
        ]);
        assert_eq!(Settings::of(&conf).host, "127.0.0.1");
        let replica = Settings::read_only(&conf).unwrap();
        assert_eq!((replica.host.as_str(), replica.port, replica.user.as_str()), ("replica", 6432, "me"));
        assert_eq!(replica.timeout, Duration::from_millis(1500));
        assert!(Settings::read_only(&load(&[])).is_none());
    }

    #[test]
    fn the_number_of_connections_is_bounded_by_either_property() {
        assert_eq!(connections(0, None), CONNECTIONS);
        assert_eq!(connections(0, Some(3)), 3);
        assert_eq!(connections(2, Some(3)), 2);
    }
}
