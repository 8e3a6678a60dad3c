//! Events, locks, counters, and what has expired.

use sqlx::{Connection, SqliteConnection};

use super::sql::{self, Bound, execute, failed, quoted, row, rows};
use super::store::Tables;
use super::table::{ENDS, KEY};
use crate::db::store::now;
use crate::db::{ClusterEvent, Counter, DbError, Lock};

pub(super) async fn add_event(connection: &mut SqliteConnection, event: ClusterEvent) -> Result<(), DbError> {
    let insert = "INSERT INTO _cluster_events (id, node_id, at, nbf, lifetime, channel, data) \
                  VALUES (?, ?, ?, ?, ?, ?, ?)";
    let values = vec![
        event.id.into(),
        event.node_id.into(),
        now().into(),
        Bound::Real(event.not_before),
        event.lifetime.into(),
        event.channel.into(),
        event.data.into(),
    ];
    execute(connection, insert, values).await.map(drop).map_err(failed)
}

pub(super) async fn events_since(
    connection: &mut SqliteConnection,
    channels: Vec<String>,
    after: f64,
) -> Result<(Vec<ClusterEvent>, f64), DbError> {
    let until = now();
    let places = vec!["?"; channels.len()].join(", ");
    let select = format!(
        "SELECT id, node_id, at, nbf, lifetime, channel, data FROM _cluster_events \
         WHERE channel IN ({places}) AND at > ? AND at <= ? ORDER BY at"
    );
    let mut values: Vec<Bound> = channels.into_iter().map(Bound::from).collect();
    values.extend([Bound::from(after), Bound::from(until)]);
    let found = rows(connection, &select, values).await?;
    let event = |row| {
        Ok::<_, DbError>(ClusterEvent {
            id: sql::text(row, 0)?,
            node_id: sql::text(row, 1)?,
            at: sql::real(row, 2)?.unwrap_or_default(),
            not_before: sql::real(row, 3)?,
            lifetime: sql::real(row, 4)?.unwrap_or_default(),
            channel: sql::text(row, 5)?,
            data: sql::text(row, 6)?,
        })
    };
    Ok((found.iter().map(event).collect::<Result<_, _>>()?, until))
}

pub(super) async fn take_lock(connection: &mut SqliteConnection, lock: Lock) -> Result<bool, DbError> {
    let take = "INSERT INTO _locks (key, owner, ends) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE \
                SET owner = excluded.owner, ends = excluded.ends WHERE _locks.ends <= ?";
    let values =
        vec![lock.key.into(), lock.owner.into(), (now() + lock.lifetime as f64).into(), now().into()];
    Ok(execute(connection, take, values).await.map_err(failed)? > 0)
}

pub(super) async fn lock_owner(
    connection: &mut SqliteConnection,
    key: String,
) -> Result<Option<String>, DbError> {
    let select = "SELECT owner FROM _locks WHERE key = ? AND ends > ?";
    row(connection, select, vec![key.into(), now().into()]).await?.map(|row| sql::text(&row, 0)).transpose()
}

pub(super) async fn release_lock(
    connection: &mut SqliteConnection,
    key: String,
    owner: String,
) -> Result<(), DbError> {
    let delete = "DELETE FROM _locks WHERE key = ? AND owner = ?";
    execute(connection, delete, vec![key.into(), owner.into()]).await.map(drop).map_err(failed)
}

pub(super) async fn count(
    connection: &mut SqliteConnection,
    counted: Vec<(Counter, i64, f64)>,
) -> Result<(), DbError> {
    let add = "INSERT INTO _counters (identifier, period, period_date, service_id, route_id, value, ends) \
               VALUES (?, ?, ?, ?, ?, ?, ?) \
               ON CONFLICT (identifier, period, period_date, service_id, route_id) \
               DO UPDATE SET value = _counters.value + excluded.value";
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    for (counter, more, lifetime) in counted {
        let mut values = key_of(counter);
        values.extend([more.into(), (now() + lifetime).into()]);
        execute(&mut transaction, add, values).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

pub(super) async fn counted(
    connection: &mut SqliteConnection,
    counter: Counter,
) -> Result<Option<i64>, DbError> {
    let select = "SELECT value FROM _counters WHERE identifier = ? AND period = ? AND period_date = ? \
                  AND service_id = ? AND route_id = ?";
    row(connection, select, key_of(counter)).await?.map(|row| sql::integer(&row, 0)).transpose()
}

fn key_of(counter: Counter) -> Vec<Bound> {
    vec![
        counter.identifier.into(),
        counter.period.into(),
        counter.period_date.into(),
        counter.service_id.into(),
        counter.route_id.into(),
    ]
}

/// Removes what has expired.
pub(super) async fn sweep(connection: &mut SqliteConnection, tables: &Tables) -> Result<u64, DbError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let mut count = 0;
    for table in tables.all().filter(|table| table.model.has_ttl) {
        if table.model.has_tags {
            let untag = format!(
                "DELETE FROM _tags WHERE entity_name = ? AND entity_id IN (SELECT {} FROM {} WHERE {} <= ?)",
                quoted(KEY),
                table.name,
                quoted(ENDS)
            );
            let values = vec![table.model.name.as_str().into(), now().into()];
            execute(&mut transaction, &untag, values).await.map_err(failed)?;
        }
        let delete = format!("DELETE FROM {} WHERE {} <= ?", table.name, quoted(ENDS));
        count += execute(&mut transaction, &delete, vec![now().into()]).await.map_err(failed)?;
    }
    for delete in [
        "DELETE FROM _cluster_events WHERE at + lifetime <= ?",
        "DELETE FROM _locks WHERE ends <= ?",
        "DELETE FROM _counters WHERE ends <= ?",
    ] {
        count += execute(&mut transaction, delete, vec![now().into()]).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(count)
}
