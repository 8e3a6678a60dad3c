//! Targets: an address always has a port, and an upstream has each address once.

use serde_json::Value;

use super::write::expiry;
use super::{Dao, DaoOptions, Kind};
use crate::db::{Change, DbError, Entity, Place, Write};
use crate::schema::Context;
use crate::schema::typedefs::address::{Address, HostKind};

/// The port of a target that names none.
const DEFAULT_PORT: u16 = 8000;

/// Writes the address of a target that is about to be written with its port.
///
/// # Errors
/// A text that is no address.
pub(super) fn format(entity: &mut Entity) -> Result<(), DbError> {
    if let Some(Value::String(target)) = entity.get_mut("target") {
        *target = formatted(target).ok_or_else(|| {
            let message = "Invalid target; not a valid hostname or ip address";
            DbError::schema_violation(Entity::from_iter([("target".to_owned(), Value::from(message))]))
        })?;
    }
    Ok(())
}

/// The same for one that was read, which may have been written by an older version.
pub(super) fn show(entity: &mut Entity) {
    if let Some(Value::String(target)) = entity.get_mut("target")
        && let Some(formatted) = formatted(target)
    {
        *target = formatted;
    }
}

fn formatted(target: &str) -> Option<String> {
    let address = Address::parse(target).ok()?;
    let port = address.port.unwrap_or(DEFAULT_PORT);
    Some(match address.kind {
        HostKind::Ipv6 => format!("[{}]:{port}", address.host),
        HostKind::Ipv4 | HostKind::Name => format!("{}:{port}", address.host),
    })
}

impl Dao {
    /// *Kong parity*: an address that the upstream has already is replaced if this one is newer, and left as it is if
    /// not.
    pub(super) async fn upsert_target(
        &self,
        kind: &Kind<'_>,
        key: Entity,
        mut entity: Entity,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        entity.extend(key);
        let mut changes = Vec::new();
        if let Some(Value::Object(upstream)) = entity.get("upstream") {
            let nulls = DaoOptions { nulls: true, ..options.clone() };
            let known = self.each_for("targets", "upstream", upstream, &nulls).await?;
            if let Some(known) = known.iter().find(|known| known.get("target") == entity.get("target")) {
                let age = |entity: &Entity| entity.get("created_at").and_then(Value::as_f64);
                if age(&entity).is_some_and(|age_of_new| Some(age_of_new) <= age(known)) {
                    return Ok(Entity::clone(known));
                }
                let place = Place::Key(kind.model.primary_key_of(known));
                changes.push(Change::new(kind.model, self.workspace_of(options), Write::Delete(place)));
            }
        }
        let row = self.prepare_new(kind, &entity, options, Context::Insert, None).await?;
        let ends = expiry(options, &row, false);
        let write = Write::Insert(self.placed(kind, row, options), ends);
        changes.push(Change::new(kind.model, self.workspace_of(options), write));
        let written = self.commit(changes).await?;
        let row = written.into_iter().next_back().and_then(|written| written.after);
        let row = row.ok_or_else(|| DbError::database("the store made no change"))?;
        kind.entity(&row, options)
    }
}
