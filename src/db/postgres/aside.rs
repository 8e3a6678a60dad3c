//! Events, locks and counters, and the removal of what has ended.

use std::collections::BTreeMap;
use std::time::Instant;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connection::identifier;
use super::listen::CHANNEL;
use super::session::{Failure, Session, told};
use super::tables::Tables;
use super::value;
use crate::db::{ClusterEvent, Counter, DbError, Lock};
use crate::observability::log;

/// How many rows a sweep removes with a statement.
const SWEPT_AT_ONCE: usize = 50_000;

type Answered<T> = Result<T, DbError>;

/// Adds an event, and wakes the other nodes of this gateway once it is committed; Kong's ask by themselves.
pub(super) async fn add_event(session: &mut Session, author: &str, event: ClusterEvent) -> Answered<()> {
    let sql = format!(
        "WITH event AS (INSERT INTO cluster_events (id, node_id, at, nbf, expire_at, channel, data) \
         VALUES ($1::uuid, $2::uuid, clock_timestamp(), to_timestamp($3::float8), \
         clock_timestamp() + $4::float8 * INTERVAL '1 second', $5, $6)) SELECT pg_notify('{CHANNEL}', $7)"
    );
    let parameters = vec![
        Some(event.id),
        Some(event.node_id),
        event.not_before.map(|time| time.to_string()),
        Some(event.lifetime.to_string()),
        Some(event.channel),
        Some(event.data),
        Some(author.to_owned()),
    ];
    session.rows(sql, parameters).await.map(drop).map_err(|error| told(&error))
}

pub(super) async fn events_since(
    session: &mut Session,
    channels: Vec<String>,
    after: f64,
) -> Answered<(Vec<ClusterEvent>, f64)> {
    const NOW: &str = "SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8";
    const EVENTS: &str = "SELECT id::text, node_id::text, EXTRACT(EPOCH FROM at)::float8, \
        EXTRACT(EPOCH FROM nbf)::float8, EXTRACT(EPOCH FROM expire_at - at)::float8, channel, data \
        FROM cluster_events WHERE channel = ANY ($1::text[]) AND at > to_timestamp($2::float8) \
        AND at <= to_timestamp($3::float8) ORDER BY at, id";
    let now = session.rows(NOW.to_owned(), Vec::new()).await.map_err(|error| told(&error))?;
    let now: f64 = now.first().map_or(Ok(0.0), |row| row.try_get(0)).map_err(|error| told(&error))?;
    let channels = value::texts(channels.into_iter().map(Some));
    let parameters = vec![Some(channels), Some(after.to_string()), Some(now.to_string())];
    let rows = session.rows(EVENTS.to_owned(), parameters).await.map_err(|error| told(&error))?;
    let events = rows.iter().map(event).collect::<Result<_, _>>().map_err(|error| told(&error))?;
    Ok((events, now))
}

fn event(row: &PgRow) -> Result<ClusterEvent, Failure> {
    Ok(ClusterEvent {
        id: row.try_get(0)?,
        node_id: row.try_get(1)?,
        at: row.try_get(2)?,
        not_before: row.try_get(3)?,
        lifetime: row.try_get(4)?,
        channel: row.try_get(5)?,
        data: row.try_get::<Option<String>, _>(6)?.unwrap_or_default(),
    })
}

pub(super) async fn take_lock(session: &mut Session, lock: Lock) -> Answered<bool> {
    const TAKE: &str = "INSERT INTO locks (key, owner, ttl) \
        VALUES ($1, $2, CURRENT_TIMESTAMP + $3::float8 * INTERVAL '1 second') \
        ON CONFLICT (key) DO UPDATE SET owner = EXCLUDED.owner, ttl = EXCLUDED.ttl \
        WHERE locks.ttl < CURRENT_TIMESTAMP RETURNING 1";
    let parameters = vec![Some(lock.key), Some(lock.owner), Some(lock.lifetime.to_string())];
    let taken = session.rows(TAKE.to_owned(), parameters).await.map_err(|error| told(&error))?;
    Ok(!taken.is_empty())
}

pub(super) async fn lock_owner(session: &mut Session, key: String) -> Answered<Option<String>> {
    const OWNER: &str = "SELECT owner FROM locks WHERE key = $1 AND ttl >= CURRENT_TIMESTAMP";
    let rows = session.rows(OWNER.to_owned(), vec![Some(key)]).await.map_err(|error| told(&error))?;
    rows.first().map_or(Ok(None), |row| row.try_get(0)).map_err(|error| told(&error))
}

pub(super) async fn release_lock(session: &mut Session, key: String, owner: String) -> Answered<()> {
    const RELEASE: &str = "DELETE FROM locks WHERE key = $1 AND owner = $2";
    let done = session.rows(RELEASE.to_owned(), vec![Some(key), Some(owner)]).await;
    done.map(drop).map_err(|error| told(&error))
}

/// *Invariant*: counters are taken in the order of their keys, so that nodes do not wait for each other in a circle.
pub(super) async fn count(session: &mut Session, counted: Vec<(Counter, i64, f64)>) -> Answered<()> {
    let (of_responses, of_requests) =
        counted.into_iter().partition(|(counter, ..)| counter.is_of_responses());
    add_up(session, REQUESTS, of_requests).await?;
    add_up(session, RESPONSES, of_responses).await
}

/// A table of counters, and whether its rows end.
type Counters = (&'static str, bool);
const REQUESTS: Counters = ("ratelimiting_metrics", true);
const RESPONSES: Counters = ("response_ratelimiting_metrics", false);

async fn add_up(session: &mut Session, table: Counters, counted: Vec<(Counter, i64, f64)>) -> Answered<()> {
    if counted.is_empty() {
        return Ok(());
    }
    let mut sums: BTreeMap<[String; 5], (i64, f64)> = BTreeMap::new();
    for (counter, more, lifetime) in counted {
        let date = counter.period_date.to_string();
        let key = [counter.identifier, counter.period, date, counter.service_id, counter.route_id];
        sums.entry(key).or_insert((0, lifetime)).0 += more;
    }
    let mut lists: Vec<Vec<Option<String>>> = vec![Vec::new(); 7];
    for (key, (more, lifetime)) in sums {
        let values = key.into_iter().chain([more.to_string(), lifetime.to_string()]);
        lists.iter_mut().zip(values).for_each(|(list, value)| list.push(Some(value)));
    }
    let parameters = lists.into_iter().map(|list| Some(value::texts(list.into_iter()))).collect();
    session.rows(addition(table), parameters).await.map(drop).map_err(|error| told(&error))
}

fn addition((table, ends): Counters) -> String {
    let (column, end) = match ends {
        true => (", ttl", ", CURRENT_TIMESTAMP + t::float8 * INTERVAL '1 second'"),
        false => ("", ""),
    };
    format!(
        "INSERT INTO {table} AS metric (identifier, period, period_date, service_id, route_id, value{column}) \
        SELECT i, p, to_timestamp(d::float8), s::uuid, r::uuid, v::int{end} \
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) \
        AS rows (i, p, d, s, r, v, t) \
        ON CONFLICT (identifier, period, period_date, service_id, route_id) \
        DO UPDATE SET value = metric.value + EXCLUDED.value"
    )
}

pub(super) async fn counted(session: &mut Session, counter: Counter) -> Answered<Option<i64>> {
    let (table, _) = if counter.is_of_responses() { RESPONSES } else { REQUESTS };
    let value = format!(
        "SELECT value::int8 FROM {table} WHERE identifier = $1 AND period = $2 \
        AND period_date = to_timestamp($3::float8) AND service_id = $4::uuid AND route_id = $5::uuid"
    );
    let date = counter.period_date.to_string();
    let parameters = [counter.identifier, counter.period, date, counter.service_id, counter.route_id];
    let rows = session.rows(value, parameters.map(Some).to_vec()).await.map_err(|error| told(&error))?;
    rows.first().map_or(Ok(None), |row| row.try_get(0)).map_err(|error| told(&error))
}

/// Removes rows that have ended, of kinds with a ttl, of events, requests between nodes, locks and counters.
pub(super) async fn sweep(session: &mut Session, tables: &Tables) -> Answered<u64> {
    let mut columns = vec![
        ("cluster_events".to_owned(), "expire_at"),
        ("clustering_rpc_requests".to_owned(), "ttl"),
        ("locks".to_owned(), "ttl"),
        ("ratelimiting_metrics".to_owned(), "ttl"),
    ];
    let kinds =
        tables.all().filter(|table| table.model.has_ttl).map(|table| (table.model.table.clone(), "ttl"));
    columns.extend(kinds);
    columns.dedup();
    let mut count = 0;
    for (table, column) in columns {
        count += sweep_table(session, &table, column).await?;
    }
    Ok(count)
}

async fn sweep_table(session: &mut Session, table: &str, column: &str) -> Answered<u64> {
    let exists =
        session.rows("SELECT 1 WHERE to_regclass($1) IS NOT NULL".to_owned(), vec![Some(identifier(table))]);
    if exists.await.map_err(|error| told(&error))?.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "WITH ended AS (DELETE FROM {0} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {0} WHERE {1} < CURRENT_TIMESTAMP \
         ORDER BY {1} LIMIT {SWEPT_AT_ONCE} FOR UPDATE SKIP LOCKED)) RETURNING 1) SELECT count(*) FROM ended",
        identifier(table),
        identifier(column)
    );
    let began = Instant::now();
    let mut all = 0;
    loop {
        let rows = session.rows(sql.clone(), Vec::new()).await.map_err(|error| told(&error))?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(|error| told(&error))?;
        all += count.unsigned_abs();
        if count.unsigned_abs() < SWEPT_AT_ONCE as u64 {
            let took = began.elapsed().as_secs_f64();
            log::debug!("cleaning up expired rows from table '{table}' took {took:.3} seconds");
            return Ok(all);
        }
    }
}
