//! Which stores this build can serve from.

use super::{Conf, ConfError, Database};

impl Conf {
    /// The store to open.
    ///
    /// *Errors*: the configured store is not built yet; the message says which one is.
    pub fn storage(&self) -> Result<Database, ConfError> {
        match self.database {
            Database::Off => Ok(Database::Off),
            missing @ (Database::Postgres | Database::Sqlite | Database::Cassandra) => {
                let name = missing.as_str();
                Err(ConfError::Store(format!(
                    "database = {name} is not built yet in this version; \
                     set database = off and declarative_config to a file in your kong.conf"
                )))
            }
        }
    }
}
