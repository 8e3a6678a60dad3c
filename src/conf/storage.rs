//! Which stores this build can serve from.

use std::path::PathBuf;

use super::{Conf, ConfError, Database};

impl Conf {
    /// The file of `database = sqlite`.
    pub fn sqlite_file(&self) -> PathBuf {
        self.prefix.join(&self.sqlite_path)
    }

    /// Where the copy of a database is kept that the node starts from while it is away; none where none is kept.
    pub fn standby_file(&self) -> Option<PathBuf> {
        let is_kept = self.db_resilience && self.database == Database::Postgres;
        is_kept.then(|| self.prefix.join("standby/database"))
    }

    /// The store to open.
    ///
    /// *Errors*: the configured store is not built yet; the message says which one is.
    pub fn storage(&self) -> Result<Database, ConfError> {
        match self.database {
            Database::Cassandra => Err(ConfError::Store(
                "database = cassandra is not built yet in this version; set database = postgres or sqlite, or \
                 database = off and declarative_config to a file, in your kong.conf"
                    .to_owned(),
            )),
            ready => Ok(ready),
        }
    }
}
