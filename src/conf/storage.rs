//! Which stores this build can serve from.

use std::path::PathBuf;

use super::{Conf, ConfError, Database};

impl Conf {
    /// The file of `database = sqlite`.
    pub fn sqlite_file(&self) -> PathBuf {
        self.prefix.join(&self.sqlite_path)
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
