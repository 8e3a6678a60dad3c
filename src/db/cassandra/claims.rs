//! Claims: who has a value that no two rows may have.
//!
//! A claim is a row of `unique_claims` that is written by lightweight transactions alone, so that of two nodes which
//! want the same value at once one learns that it is too late. Rows that Kong wrote have none; a look by the value
//! finds them before.
//!
//! A claim whose row is not there was left by a node that stopped between the claim and the row, or belongs to one
//! that is just writing it: after [`ABANDONED`] seconds it is taken over.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use scylla::value::CqlValue;
use serde_json::Value;

use super::draft::{CACHE_KEY, Draft, Slot};
use super::read::{self, AT_ONCE};
use super::session::{Session, bound, text};
use super::table::{Stored, Table, index_text, lifetime};
use super::tables::Tables;
use super::value::timestamp;
use crate::db::store::now;
use crate::db::{DbError, Entity};

/// How old a claim without a row is, in seconds, when nobody can be writing that any more.
const ABANDONED: f64 = 15.0;
/// How often a claim that somebody else has just made is looked at again.
const ATTEMPTS: usize = 10;
/// How long it is waited between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// The field that stands for the primary key.
const PRIMARY_KEY: &str = "primary key";

/// A value that a row has or wants for itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    kind: String,
    field: String,
    value: String,
    /// The primary key of the row, as JSON.
    owner: String,
}

/// The claims that a draft makes and those that it gives up.
#[derive(Debug, Default)]
pub(super) struct Claims {
    wanted: Vec<(Claim, Wanted)>,
    given_up: Vec<Claim>,
}

/// For which row a claim is made.
#[derive(Debug)]
struct Wanted {
    row: Stored,
    /// The row of the same batch that gives the value up.
    from: Option<String>,
}

impl Claims {
    /// What a draft needs.
    pub(super) fn of(draft: &Draft<'_>, tables: &Tables) -> Result<Claims, DbError> {
        let mut claims = Claims::default();
        let mut wanted = Vec::new();
        for (kind, slot) in draft.touched() {
            let table = tables.of(kind)?;
            let (before, after) = (claims_of(table, slot, &slot.before), claims_of(table, slot, &slot.after));
            claims.given_up.extend(before.iter().filter(|claim| !after.contains(claim)).cloned());
            let Some(row) = &slot.after else { continue };
            let new = after.into_iter().filter(|claim| !before.contains(claim));
            wanted.extend(new.map(|claim| (claim, row.clone())));
        }
        for (claim, row) in wanted {
            let is_same = |other: &Claim| {
                (&other.kind, &other.field, &other.value) == (&claim.kind, &claim.field, &claim.value)
            };
            let place = claims.given_up.iter().position(is_same);
            let from = place.map(|place| claims.given_up.swap_remove(place).owner);
            claims.wanted.push((claim, Wanted { row, from }));
        }
        Ok(claims)
    }

    /// Makes the claims, all or none.
    ///
    /// *Errors*: a value that somebody else has.
    pub(super) async fn take(&self, session: &Session, tables: &Tables) -> Result<(), DbError> {
        let mut attempts = Vec::with_capacity(self.wanted.len());
        for (claim, wanted) in &self.wanted {
            attempts.push(take(session, tables, claim, wanted).boxed());
        }
        let outcomes: Vec<_> = stream::iter(attempts).buffered(AT_ONCE).collect().await;
        if outcomes.iter().all(Result::is_ok) {
            return Ok(());
        }
        let mut first = None;
        for ((claim, wanted), outcome) in self.wanted.iter().zip(outcomes) {
            match outcome {
                Ok(true) => undo(session, claim, wanted).await,
                Ok(false) => {}
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        Err(first.unwrap_or_else(|| DbError::database("a claim was not made")))
    }

    /// Undoes [`Claims::take`]: the rows were not written.
    pub(super) async fn undo(&self, session: &Session) {
        for (claim, wanted) in &self.wanted {
            undo(session, claim, wanted).await;
        }
    }

    /// Gives up the claims of values that no row has any more.
    pub(super) async fn give_up(&self, session: &Session) {
        let mut releases = Vec::with_capacity(self.given_up.len());
        for claim in &self.given_up {
            releases.push(release(session, claim).boxed());
        }
        stream::iter(releases).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }
}

/// Makes one claim; tells whether it was made now.
async fn take(session: &Session, tables: &Tables, claim: &Claim, wanted: &Wanted) -> Result<bool, DbError> {
    const TAKE: &str = "INSERT INTO unique_claims (entity, field, value, owner, taken_at) \
        VALUES (?, ?, ?, ?, ?) IF NOT EXISTS USING TTL ?";
    let table = tables.of(&claim.kind)?;
    for _ in 0..ATTEMPTS {
        let values = [
            text(claim.kind.as_str()),
            text(claim.field.as_str()),
            text(claim.value.as_str()),
            text(claim.owner.as_str()),
            bound(CqlValue::Timestamp(timestamp(now()))),
            bound(CqlValue::Int(lifetime(wanted.row.ends))),
        ];
        if session.decide(TAKE, &values).await? {
            return Ok(true);
        }
        let Some((owner, taken_at)) = holder(session, claim).await? else { continue };
        if owner == claim.owner {
            return Ok(false);
        }
        let is_given_up = wanted.from.as_ref() == Some(&owner);
        if is_given_up || is_abandoned(session, table, claim, &owner, taken_at).await? {
            if take_over(session, claim, &owner).await? {
                return Ok(true);
            }
            continue;
        }
        if has_row(session, table, claim, &owner).await? {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(violation(table, claim, &wanted.row.entity))
}

async fn take_over(session: &Session, claim: &Claim, from: &str) -> Result<bool, DbError> {
    const TAKE_OVER: &str = "UPDATE unique_claims SET owner = ?, taken_at = ? \
        WHERE entity = ? AND field = ? AND value = ? IF owner = ?";
    let values = [
        text(claim.owner.as_str()),
        bound(CqlValue::Timestamp(timestamp(now()))),
        text(claim.kind.as_str()),
        text(claim.field.as_str()),
        text(claim.value.as_str()),
        text(from),
    ];
    session.decide(TAKE_OVER, &values).await
}

async fn holder(session: &Session, claim: &Claim) -> Result<Option<(String, f64)>, DbError> {
    const HOLDER: &str =
        "SELECT owner, taken_at FROM unique_claims WHERE entity = ? AND field = ? AND value = ?";
    let values = [text(claim.kind.as_str()), text(claim.field.as_str()), text(claim.value.as_str())];
    let found = session.agreed_rows(HOLDER, &values).await?;
    Ok(found.first().and_then(|row| match row.columns.as_slice() {
        [Some(CqlValue::Text(owner)), taken_at] => {
            let taken_at = taken_at.as_ref().and_then(CqlValue::as_cql_timestamp);
            Some((owner.clone(), taken_at.map_or(0.0, |time| time.0 as f64 / 1000.0)))
        }
        _ => None,
    }))
}

async fn is_abandoned(
    session: &Session,
    table: &Table,
    claim: &Claim,
    owner: &str,
    taken_at: f64,
) -> Result<bool, DbError> {
    Ok(now() - taken_at > ABANDONED && !has_row(session, table, claim, owner).await?)
}

/// Whether the row that a claim was made for has the value.
async fn has_row(session: &Session, table: &Table, claim: &Claim, owner: &str) -> Result<bool, DbError> {
    let Ok(key) = serde_json::from_str::<Entity>(owner) else { return Ok(false) };
    let Ok(found) = read::at_key(session, table, &key).await else { return Ok(true) };
    let slot = Slot { key, ..Slot::default() };
    Ok(claims_of(table, &slot, &found).iter().any(|own| own.field == claim.field && own.value == claim.value))
}

/// What cannot be undone is abandoned, and taken over in time.
async fn undo(session: &Session, claim: &Claim, wanted: &Wanted) {
    let Some(from) = &wanted.from else { return release(session, claim).await };
    let back = Claim { owner: from.clone(), ..claim.clone() };
    let _ = take_over(session, &back, &claim.owner).await;
}

async fn release(session: &Session, claim: &Claim) {
    const RELEASE: &str =
        "DELETE FROM unique_claims WHERE entity = ? AND field = ? AND value = ? IF owner = ?";
    let values = [
        text(claim.kind.as_str()),
        text(claim.field.as_str()),
        text(claim.value.as_str()),
        text(claim.owner.as_str()),
    ];
    // One that stays is abandoned, and taken over in time.
    let _ = session.decide(RELEASE, &values).await;
}

/// What a row has for itself: values of unique fields, the composite cache key, a primary key that is no UUID.
fn claims_of(table: &Table, slot: &Slot, row: &Option<Stored>) -> Vec<Claim> {
    let Some(row) = row else { return Vec::new() };
    let model = &table.model;
    let owner = Value::Object(slot.key.clone()).to_string();
    let claim = |field: &str, value: String| Claim {
        kind: model.name.clone(),
        field: field.to_owned(),
        value,
        owner: owner.clone(),
    };
    let mut claims = Vec::new();
    if model.has_composite_cache_key() {
        claims.push(claim(CACHE_KEY, model.cache_key_text(&row.entity, "")));
    }
    for field in &model.unique {
        let value = index_text(row.entity.get(&field.name));
        let workspace = index_text(row.entity.get("ws_id").filter(|_| !field.across_workspaces));
        if !value.is_empty() {
            claims.push(claim(&field.name, format!("{workspace}:{value}")));
        }
    }
    let key = model.key_text(&slot.key);
    if uuid::Uuid::parse_str(&key).is_err() {
        claims.push(claim(PRIMARY_KEY, key));
    }
    claims
}

fn violation(table: &Table, claim: &Claim, entity: &Entity) -> DbError {
    match claim.field.as_str() {
        CACHE_KEY if table.model.has_composite_cache_key() => table.model.cache_key_violation(entity),
        PRIMARY_KEY => DbError::primary_key_violation(table.model.primary_key_of(entity)),
        field => table.model.unique_violation(field, entity),
    }
}
