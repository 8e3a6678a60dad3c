//! The copy of the database that a node starts from while the database is away.

use super::effect::Effect;
use super::entities::EntitySource;
use crate::conf::Conf;
use crate::db::migrator::address;
use crate::db::off::DEFAULT_WORKSPACE;
use crate::db::standby::{self, StandbyError};
use crate::db::{DbError, Entities};
use crate::observability::log;
use crate::runtime;
use serde_json::Value;
use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The least time between two copies.
const REST: Duration = Duration::from_secs(1);
/// How many times as long as it takes to write a copy none is written after it: all rows are written each time.
const SHARE: u32 = 100;
/// How long a copy is written on cores that nobody else wants.
const PATIENCE: Duration = Duration::from_secs(1);

/// Keeps the copy, and serves from it when need be.
pub(super) struct Standby {
    place: Option<Place>,
    /// Whether what is in force came from the copy, and the database was not asked since.
    is_served: Cell<bool>,
    /// The number of changes that the copy has.
    kept: Cell<u64>,
}

/// Where the copy is, and of which database.
#[derive(Clone)]
struct Place {
    file: PathBuf,
    database: String,
}

impl Place {
    fn store(&self, rows: &Entities) -> Result<(), StandbyError> {
        standby::store(&self.file, &self.database, rows)
    }
}

impl Standby {
    /// As the configuration has it.
    pub(super) fn new(conf: &Conf) -> Standby {
        let place = |file| Place { file, database: address(conf) };
        Standby { place: conf.standby_file().map(place), is_served: Cell::new(false), kept: Cell::new(0) }
    }

    /// Whether what is in force came from the copy.
    pub(super) fn is_served(&self) -> bool {
        self.is_served.get()
    }

    /// To be called when the database is asked again.
    pub(super) fn ended(&self) {
        self.is_served.set(false);
    }

    /// Takes the rows of the copy for those of a database that is away; gives the id of the default workspace.
    ///
    /// *Errors*: that it is away, and why there is no copy.
    pub(super) fn restore(
        &self,
        effect: &Effect,
        source: &EntitySource,
        away: &DbError,
    ) -> Result<String, String> {
        let Some(place) = &self.place else { return Err(away.to_string()) };
        let rows = match standby::load(&place.file, &place.database, source.reader.model()) {
            Ok(rows) => rows,
            Err(StandbyError::Missing { .. }) => return Err(away.to_string()),
            Err(error) => return Err(format!("{away}\nthe kept copy cannot be used: {error}")),
        };
        log::warn!(
            "the database cannot be reached ({away}): the node serves from the copy kept in {} until it is back",
            place.file.display()
        );
        let workspace = default_workspace(&rows);
        effect.restore(rows);
        self.is_served.set(true);
        Ok(workspace)
    }

    /// Writes a copy after each change, as seldom as [`REST`] allows, for ever.
    pub(super) async fn keep(&self, effect: &Effect) {
        let Some(place) = &self.place else { return };
        let mut published = effect.published();
        loop {
            let begun = Instant::now();
            let (rows, changes) = effect.rows();
            let to = place.clone();
            let write = move || runtime::stand_back(PATIENCE, || to.store(&rows));
            match tokio::task::spawn_blocking(write).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tell(&error),
                Err(error) => tell(&error),
            }
            // One that failed is tried again after the next change.
            self.kept.set(changes);
            tokio::time::sleep(REST.max(begun.elapsed() * SHARE)).await;
            while self.kept.get() == effect.changes() {
                if published.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    /// Writes what changed since the last copy.
    pub(super) fn finish(&self, effect: &Effect) {
        let (rows, changes) = effect.rows();
        if let Some(place) = self.place.as_ref().filter(|_| !self.is_served() && self.kept.get() != changes)
            && let Err(error) = place.store(&rows)
        {
            tell(&error);
        }
    }
}

fn default_workspace(rows: &Entities) -> String {
    let workspaces = rows.get("workspaces").into_iter().flat_map(|rows| rows.values());
    let mut default = workspaces.filter(|row| row.get("name").is_some_and(|name| name == "default"));
    let id = default.next().and_then(|row| row.get("id")).and_then(Value::as_str);
    id.unwrap_or(DEFAULT_WORKSPACE).to_owned()
}

fn tell(error: &dyn std::fmt::Display) {
    log::warn!("what the database has is not kept for starts without it: {error}");
}
