//! The level of the error log, changed for a while.
//!
//! *Kong parity*: what is changed over the Admin API holds for some time, also in the worker process that a reload
//! begins, and is in the shared dictionary `kong` under Kong's keys. What is meant for all nodes is told in the database,
//! in Kong's form, on the channel `log_level`.

use super::control::{Control, DICT};
use crate::db::{ClusterEvent, DbError, Store};
use crate::observability::{Level, log};
use crate::shm::{Found, Kind, Value};
use serde_json::json;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The level in force, by its number.
const LEVEL: &[u8] = b"kong:dyn_log_level";
/// When that is over, in seconds since 1970.
const UNTIL: &[u8] = b"kong:dyn_log_level_timeout_at";

/// The channel on which nodes tell each other.
const CHANNEL: &str = "log_level";
/// How long what is told is kept for nodes that are slow to ask, in seconds.
const KEPT: f64 = 3600.0;

/// Tells all other nodes to change the level.
///
/// *Errors*: the database's.
pub(super) async fn tell(control: &Control, level: Level, seconds: u64) -> Result<(), DbError> {
    let Some(database) = &control.database else { return Ok(()) };
    let event = ClusterEvent {
        id: uuid::Uuid::new_v4().to_string(),
        node_id: control.shared.node_id.clone(),
        at: now(),
        not_before: None,
        lifetime: KEPT,
        channel: CHANNEL.to_owned(),
        data: json!({ "log_level": level as u8, "timeout": seconds }).to_string(),
    };
    database.dao().store().add_event(event).await
}

/// Does what other nodes tell, until it is dropped.
pub(super) async fn follow(control: Rc<Control>) {
    let Some(database) = &control.database else { return };
    let store = Arc::clone(database.dao().store());
    let (period, mut notices) = (control.shared.conf.db_update_frequency, store.notices());
    // What was told before this node was there is over for it.
    let mut after =
        store.events_since(&[CHANNEL], f64::from(u32::MAX)).await.map_or_else(|_| now(), |(_, now)| now);
    loop {
        match &mut notices {
            Some(notices) => drop(tokio::time::timeout(period, notices.changed()).await),
            None => tokio::time::sleep(period).await,
        }
        after = hear(&control, &store, after).await.unwrap_or(after);
    }
}

/// Does what was told after a time; answers up to when that is.
///
/// *Kong parity*: a worker process that begins later goes by what its own node was told over the Admin API.
async fn hear(control: &Rc<Control>, store: &Arc<dyn Store>, after: f64) -> Result<f64, DbError> {
    let (events, _) = store.events_since(&[CHANNEL], after).await?;
    let heard = events.iter().map(|event| event.at).fold(after, f64::max);
    for event in events.iter().filter(|event| event.node_id != control.shared.node_id) {
        log::notice!("log level cluster event received");
        if let Some((level, seconds)) = told(&event.data) {
            hold(control, level, now() + seconds as f64);
        }
    }
    Ok(heard)
}

fn told(data: &str) -> Option<(Level, u64)> {
    let data: serde_json::Value = serde_json::from_str(data).ok()?;
    let level = Level::from_number(u8::try_from(data.get("log_level")?.as_u64()?).ok()?)?;
    Some((level, data.get("timeout")?.as_f64()? as u64))
}

/// Changes the level for so many seconds.
pub(super) fn change(control: &Rc<Control>, level: Level, seconds: u64) {
    let until = now() + seconds as f64;
    if let Some(dict) = control.dicts.find(DICT) {
        let life = seconds.saturating_mul(1000).max(1);
        dict.set(LEVEL, Value::Number(f64::from(level as u8)), life, 0);
        dict.set(UNTIL, Value::Number(until), life, 0);
    }
    hold(control, level, until);
}

/// Takes over the level that an earlier worker process was told.
pub(super) fn take_over(control: &Rc<Control>) {
    let number = |key| match control.dicts.find(DICT)?.get(key, &mut Vec::new()) {
        Ok(Some(Found { value: Kind::Number(number), .. })) => Some(number),
        _ => None,
    };
    let level = number(LEVEL).and_then(|level| Level::from_number(level as u8));
    if let (Some(level), Some(until)) = (level, number(UNTIL))
        && until > now()
    {
        hold(control, level, until);
    }
}

/// Sets the level, and the configured one again when the time is over and nobody has changed it since.
fn hold(control: &Rc<Control>, level: Level, until: f64) {
    set(level);
    control.level_until.set(until);
    let control = Rc::clone(control);
    tokio::task::spawn_local(async move {
        let left = Duration::try_from_secs_f64(until - now()).unwrap_or_default();
        tokio::time::sleep(left).await;
        if control.level_until.get() == until {
            set(control.shared.conf.log_level);
        }
    });
}

fn set(level: Level) {
    log::set_level(level);
    log::notice!("log level changed to {}", level as u8);
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kongs_nodes_tell_is_understood() {
        assert_eq!(told("{\"timeout\":60,\"log_level\":8}"), Some((Level::Debug, 60)));
        assert_eq!(told("{\"timeout\":60,\"log_level\":99}"), None);
        assert_eq!(told("{}"), None);
        assert_eq!(told("?"), None);
    }
}
