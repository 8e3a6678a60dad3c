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
        let is_kept = self.db_resilience && matches!(self.database, Database::Postgres | Database::Cassandra);
        is_kept.then(|| self.prefix.join("standby/database"))
    }

    /// The store to open.
    ///
    /// *Errors*: none: every store that can be named is built.
    pub fn storage(&self) -> Result<Database, ConfError> {
        Ok(self.database)
    }
}
