//! Events, locks, counters.

use std::collections::HashMap;

use scylla::value::{Counter as CqlCounter, CqlValue};
use uuid::Uuid;

use super::session::{Bound, Session, Statement, bound, text};
use super::table::lifetime;
use super::value::timestamp;
use crate::db::store::now;
use crate::db::{ClusterEvent, Counter, DbError, Lock};

/// The lock of the node that looks for counters that are over.
const SWEEPER: &str = "kong:sweep";
/// How often that is done, in seconds: all counters are read.
const SWEEP: u64 = 3600;

// ---- events ------------------------------------------------------------------------------------------

/// The statement that adds an event. Its time is that of this node: a cluster has none of its own.
pub(super) fn event_statement(event: &ClusterEvent) -> Statement {
    const ADD: &str = "INSERT INTO cluster_events (channel, at, node_id, id, data, nbf) \
        VALUES (?, ?, ?, ?, ?, ?) USING TTL ?";
    let now = now();
    let time = |seconds: f64| bound(CqlValue::Timestamp(timestamp(seconds)));
    let values = vec![
        text(event.channel.as_str()),
        time(now),
        uuid(&event.node_id),
        uuid(&event.id),
        text(event.data.as_str()),
        event.not_before.map_or(Bound::Set(None), time),
        bound(CqlValue::Int(lifetime(Some(now + event.lifetime)))),
    ];
    Statement { cql: ADD.into(), values }
}

pub(super) async fn add_event(session: &Session, event: &ClusterEvent) -> Result<(), DbError> {
    let statement = event_statement(event);
    session.run(&statement.cql, &statement.values).await
}

pub(super) async fn events_since(
    session: &Session,
    channels: Vec<String>,
    after: f64,
) -> Result<(Vec<ClusterEvent>, f64), DbError> {
    const SINCE: &str = "SELECT channel, at, node_id, id, data, nbf, TTL(data) FROM cluster_events \
        WHERE channel = ? AND at > ?";
    let until = now();
    let mut events = Vec::new();
    for channel in channels {
        let after = bound(CqlValue::Timestamp(timestamp(after)));
        let found = session.rows(SINCE, &[text(channel), after]).await?;
        events.extend(found.iter().filter_map(|row| event(&row.columns)));
    }
    events.sort_by(|a, b| a.at.total_cmp(&b.at));
    Ok((events, until))
}

fn event(columns: &[Option<CqlValue>]) -> Option<ClusterEvent> {
    let [channel, at, node_id, id, data, not_before, ttl] = columns else { return None };
    let words = |value: &Option<CqlValue>| value.as_ref().and_then(CqlValue::as_text).cloned();
    let uuid = |value: &Option<CqlValue>| value.as_ref().and_then(CqlValue::as_uuid).map(|id| id.to_string());
    let time = |value: &Option<CqlValue>| {
        value.as_ref().and_then(CqlValue::as_cql_timestamp).map(|time| time.0 as f64 / 1000.0)
    };
    let at = time(at)?;
    let left = ttl.as_ref().and_then(CqlValue::as_int).unwrap_or_default();
    Some(ClusterEvent {
        id: uuid(id)?,
        node_id: uuid(node_id)?,
        at,
        not_before: time(not_before),
        lifetime: now() + f64::from(left) - at,
        channel: words(channel)?,
        data: words(data).unwrap_or_default(),
    })
}

// ---- locks -------------------------------------------------------------------------------------------

pub(super) async fn take_lock(session: &Session, lock: Lock) -> Result<bool, DbError> {
    const TAKE: &str = "INSERT INTO locks (key, owner) VALUES (?, ?) IF NOT EXISTS USING TTL ?";
    let seconds = i32::try_from(lock.lifetime.max(1)).unwrap_or(i32::MAX);
    let values = [text(lock.key), text(lock.owner), bound(CqlValue::Int(seconds))];
    session.decide(TAKE, &values).await
}

pub(super) async fn lock_owner(session: &Session, key: String) -> Result<Option<String>, DbError> {
    const OWNER: &str = "SELECT owner FROM locks WHERE key = ?";
    let found = session.agreed_rows(OWNER, &[text(key)]).await?;
    let owner = found.first().and_then(|row| row.columns.first()).and_then(Option::as_ref);
    Ok(owner.and_then(CqlValue::as_text).cloned())
}

pub(super) async fn release_lock(session: &Session, key: String, owner: String) -> Result<(), DbError> {
    const RELEASE: &str = "DELETE FROM locks WHERE key = ? IF owner = ?";
    session.decide(RELEASE, &[text(key), text(owner)]).await.map(drop)
}

// ---- counters ----------------------------------------------------------------------------------------

/// Counters do not end by themselves: the server has no time to live for them. [`sweep`] removes those that are over.
pub(super) async fn count(session: &Session, counted: Vec<(Counter, i64, f64)>) -> Result<(), DbError> {
    const COUNT: &str = "UPDATE ratelimiting_metrics SET value = value + ? WHERE route_id = ? AND service_id = ? \
        AND identifier = ? AND period_date = ? AND period = ?";
    let mut sums: HashMap<Counter, i64> = HashMap::new();
    for (counter, more, _) in counted {
        *sums.entry(counter).or_default() += more;
    }
    for (counter, more) in sums {
        let mut values = vec![bound(CqlValue::Counter(CqlCounter(more)))];
        values.extend(place(&counter));
        session.run_once(COUNT, &values).await?;
    }
    Ok(())
}

pub(super) async fn counted(session: &Session, counter: Counter) -> Result<Option<i64>, DbError> {
    const VALUE: &str = "SELECT value FROM ratelimiting_metrics WHERE route_id = ? AND service_id = ? \
        AND identifier = ? AND period_date = ? AND period = ?";
    let found = session.rows(VALUE, &place(&counter)).await?;
    let value = found.first().and_then(|row| row.columns.first()).and_then(Option::as_ref);
    Ok(value.and_then(CqlValue::as_counter).map(|counter| counter.0))
}

fn place(counter: &Counter) -> [Bound; 5] {
    [
        uuid(&counter.route_id),
        uuid(&counter.service_id),
        text(counter.identifier.as_str()),
        bound(CqlValue::Timestamp(timestamp(counter.period_date as f64))),
        text(counter.period.as_str()),
    ]
}

fn uuid(text: &str) -> Bound {
    bound(CqlValue::Uuid(Uuid::parse_str(text).unwrap_or_default()))
}

/// Removes counters of periods that are over, once an hour by one of all nodes; the rest ends by itself.
pub(super) async fn sweep(session: &Session) -> Result<u64, DbError> {
    const ALL: &str =
        "SELECT route_id, service_id, identifier, period_date, period FROM ratelimiting_metrics";
    const DELETE: &str = "DELETE FROM ratelimiting_metrics WHERE route_id = ? AND service_id = ? \
        AND identifier = ? AND period_date = ? AND period = ?";
    let lock = Lock { key: SWEEPER.to_owned(), owner: Uuid::new_v4().to_string(), lifetime: SWEEP };
    if !has_counters(session) || !take_lock(session, lock).await? {
        return Ok(0);
    }
    let mut count = 0;
    for row in session.rows(ALL, &[]).await? {
        let [.., Some(CqlValue::Timestamp(begun)), Some(CqlValue::Text(period))] = row.columns.as_slice()
        else {
            continue;
        };
        if begun.0 as f64 / 1000.0 + 2.0 * seconds(period) < now() {
            let values: Vec<Bound> = row.columns.into_iter().map(Bound::Set).collect();
            session.run(DELETE, &values).await?;
            count += 1;
        }
    }
    Ok(count)
}

fn has_counters(session: &Session) -> bool {
    let driver = session.driver();
    let state = driver.get_cluster_state();
    let keyspace = driver.get_keyspace().and_then(|name| state.get_keyspace(name.as_str()));
    keyspace.is_some_and(|keyspace| keyspace.tables.contains_key("ratelimiting_metrics"))
}

/// How long a period lasts at most.
fn seconds(period: &str) -> f64 {
    match period {
        "second" => 1.0,
        "minute" => 60.0,
        "hour" => 3600.0,
        "day" => 86_400.0,
        "month" => 31.0 * 86_400.0,
        _ => 366.0 * 86_400.0,
    }
}

// ---- what belongs to entities ------------------------------------------------------------------------

/// Removes the tags and claims of all entities of some kinds.
pub(super) async fn forget(session: &Session, kinds: &[String]) -> Result<(), DbError> {
    for (all, delete) in [
        (
            "SELECT tag, entity_name, entity_id FROM tags WHERE entity_name = ? ALLOW FILTERING",
            "DELETE FROM tags WHERE tag = ? AND entity_name = ? AND entity_id = ?",
        ),
        (
            "SELECT entity, field, value FROM unique_claims WHERE entity = ? ALLOW FILTERING",
            "DELETE FROM unique_claims WHERE entity = ? AND field = ? AND value = ? IF EXISTS",
        ),
    ] {
        for kind in kinds {
            for row in session.rows(all, &[text(kind.as_str())]).await? {
                let values: Vec<Bound> = row.columns.into_iter().map(Bound::Set).collect();
                session.run(delete, &values).await?;
            }
        }
    }
    Ok(())
}
