//! Options of calls.

use serde_json::Value;

use super::{Dao, Kind};
use crate::db::{DbError, Entity, View};
use crate::schema::AutoOptions;

/// The longest that an entity may live, in seconds; as long as a database can count.
const MAX_TTL: f64 = 100_000_000.0;

/// How a call is meant.
#[derive(Debug, Clone, Default)]
pub struct DaoOptions {
    /// Show fields without a value as null, and vault references as they are; the Admin API does.
    pub nulls: bool,
    /// Where entities are.
    pub workspace: Workspace,
    /// The seconds that an entity lives from now on, 0 for ever; `None` leaves that as it is.
    pub ttl: Option<f64>,
    /// Show `ws_id`.
    pub show_ws_id: bool,
    /// Compute no fields, on writing or reading.
    pub no_transform: bool,
    /// See entities that have expired.
    pub skip_ttl: bool,
    /// Show in `ttl` when an entity ends; for exports.
    pub export: bool,
    /// Leave out deprecated fields that follow from others.
    pub hide_shorthands: bool,
}

/// Which workspace a call is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Workspace {
    /// The default one.
    #[default]
    Default,
    /// The one with this id.
    Id(String),
    /// All of them.
    Any,
}

impl DaoOptions {
    /// The options of the Admin API.
    pub fn nulls() -> DaoOptions {
        DaoOptions { nulls: true, ..DaoOptions::default() }
    }

    pub(super) fn auto(&self) -> AutoOptions<'_> {
        AutoOptions {
            nulls: self.nulls,
            hide_shorthands: self.hide_shorthands,
            show_ws_id: self.show_ws_id,
            ..AutoOptions::default()
        }
    }
}

impl Dao {
    /// The id of the workspace that options mean; `None` for all.
    pub(super) fn workspace_of<'a>(&'a self, options: &'a DaoOptions) -> Option<&'a str> {
        match &options.workspace {
            Workspace::Default => Some(&self.workspace),
            Workspace::Id(id) => Some(id),
            Workspace::Any => None,
        }
    }

    pub(super) fn view(&self, options: &DaoOptions) -> View {
        let workspace = self.workspace_of(options).map(str::to_owned);
        View { workspace, skip_ttl: options.skip_ttl, export: options.export }
    }
}

impl Kind<'_> {
    /// Whether options fit the kind.
    pub(super) fn check_options(&self, options: &DaoOptions) -> Result<(), DbError> {
        let Some(ttl) = options.ttl else { return Ok(()) };
        let message = match self.schema.ttl {
            false => format!("cannot be used with '{}'", self.schema.name),
            true if ttl.fract() == 0.0 && (0.0..=MAX_TTL).contains(&ttl) => return Ok(()),
            true => format!("must be an integer between 0 and {MAX_TTL}"),
        };
        Err(DbError::invalid_options(Entity::from_iter([("ttl".to_owned(), Value::from(message))])))
    }

    /// The error of tags asked of a kind without.
    pub(super) fn no_tags(&self) -> DbError {
        let message = format!("cannot be used with '{}'", self.schema.name);
        DbError::invalid_options(Entity::from_iter([("tags".to_owned(), Value::from(message))]))
    }
}
